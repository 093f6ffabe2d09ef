import { until } from "../support/until.ts";
import type { Side } from "./side.ts";

/** Longest time that a condition may take, ms: a busy machine starts containers slowly. */
const PATIENCE_MS = 45_000;

/** The conditions of "wait until …": what to ask the CLI, and which answer is the one. */
const CONDITIONS: readonly {
  readonly words: RegExp;
  readonly ask: (...found: string[]) => readonly string[];
  readonly isSo: (answer: string, ...found: string[]) => boolean;
}[] = [
  {
    // wait until web runs 2/2
    words: /^(\S+) runs (.+)$/,
    ask: (name) => ["service", "ls", "--filter", `name=${name}`, "--format", "{{.Name}} {{.Replicas}}"],
    isSo: (answer, name = "", count = "") =>
      answer.split("\n").some((row) => row === `${name} ${count}` || row.startsWith(`${name} ${count} `)),
  },
  {
    // wait until update of web is completed
    words: /^update of (\S+) is (\S+)$/,
    ask: (name = "") => ["service", "inspect", name, "--format", "{{with .UpdateStatus}}{{.State}}{{end}}"],
    isSo: (answer, _, state) => answer === state,
  },
  {
    // wait until web has 2 Failed
    words: /^(\S+) has (\d+) (\S+)$/,
    ask: (name = "") => ["service", "ps", name, "--format", "{{.CurrentState}}"],
    isSo: (answer, _, count, state = "") =>
      answer.split("\n").filter((row) => row.startsWith(state)).length === Number(count),
  },
  {
    // wait until web is still: what shall run runs, what shall not has ended
    words: /^(\S+) is still$/,
    ask: (name = "") => ["service", "ps", name, "--format", "{{.DesiredState}} {{.CurrentState}}"],
    isSo: (answer) => answer.split("\n").every(isStill),
  },
  {
    // wait until node $N2 is Ready Active
    words: /^node (\S+) is (\S+) (\S+)$/,
    ask: (name = "") => [
      "node",
      "ls",
      "--filter",
      `name=${name}`,
      "--format",
      "{{.Status}} {{.Availability}}",
    ],
    isSo: (answer, _, status, availability) => answer === `${status} ${availability}`,
  },
  {
    // wait until 'service logs --raw web' says hello
    words: /^'(.+)' says (.+)$/,
    ask: (command = "") => command.split(" "),
    isSo: (answer, _, text = "") => answer.includes(text),
  },
];

function isStill(row: string): boolean {
  const [desired = "", current = ""] = row.split(" ");
  if (desired === "Running") return current === "Running" || current === "Pending";
  return ["Shutdown", "Failed", "Complete", "Rejected", "Remove", "Orphaned"].includes(current);
}

/** Waits for a condition on one side. The sentence of what was missed, or nothing. */
export async function waitUntil(side: Side, condition: string): Promise<string> {
  for (const { words, ask, isSo } of CONDITIONS) {
    const [, ...found] = words.exec(condition) ?? [];
    if (found.length === 0) continue;
    let last = "";
    try {
      await until(async () => {
        const { stdout, stderr } = await side.say(1, ask(...found));
        last = `${stdout}${stderr}`.trim();
        return isSo(last, ...found);
      }, PATIENCE_MS);
      return "";
    } catch {
      return `not so after ${PATIENCE_MS / 1000} s:\n${last}`;
    }
  }
  throw new Error(`no such condition: ${condition}`);
}
