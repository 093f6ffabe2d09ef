import { formatDuration, parseDuration } from "./durations.ts";
import type { WorldWords } from "./sim-cluster.ts";
import { formatStep, parseStep, type Step } from "./steps.ts";

/** A history to be lived through. */
export interface History {
  readonly world: WorldWords;
  readonly steps: readonly Step[];
  /** How long it lives in all, in milliseconds. */
  readonly forMs: number;
}

/** A scenario's file: what is said about it, the history, and what happened. */
export interface Scenario {
  readonly about: readonly string[];
  readonly history: History;
}

const WHAT_HAPPENS = "--- what happens ---";

/** The part of a scenario's file above its transcript. Throws on words that mean nothing. */
export function parseScenario(text: string): Scenario {
  const [top = ""] = text.split(WHAT_HAPPENS);
  const lines = top.split("\n").map((line) => line.trim());
  const about = lines.filter((line) => line.startsWith("#")).map((line) => line.slice(1).trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const steps = said.filter((line) => /^\d/.test(line)).map(parseStep);
  const settings = new Map(
    said
      .filter((line) => !/^\d/.test(line))
      .map((line) => {
        const [key = "", value = ""] = line.split(/\s+/);
        return [key, value] as const;
      }),
  );
  const number = (key: string, otherwise: number) => Number(settings.get(key) ?? otherwise);
  const world = {
    ...{ seed: number("seed", 1), nodes: number("nodes", 3), managers: number("managers", 1) },
    calm: settings.get("network") !== "busy",
  };
  return { about, history: { world, steps, forMs: parseDuration(settings.get("for") ?? "5m") } };
}

/** A scenario's file, as `parseScenario` reads it. */
export function formatScenario({ about, history }: Scenario, transcript: readonly string[]): string {
  const { world, steps } = history;
  const settings = [
    ["seed", world.seed],
    ["nodes", world.nodes],
    ["managers", world.managers],
    ["network", world.calm ? "calm" : "busy"],
    ["for", formatDuration(history.forMs)],
  ];
  return [
    ...about.map((line) => `# ${line}`),
    ...settings.map(([key, value]) => `${key} ${value}`),
    "",
    ...steps.map(formatStep),
    "",
    WHAT_HAPPENS,
    ...transcript,
    "",
  ].join("\n");
}
