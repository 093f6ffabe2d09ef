import type { HealthCheck } from "./health.ts";

/** A health check as it is carried out: what to run, with every number said. */
export interface Probe extends Omit<HealthCheck, "test"> {
  readonly args: readonly string[];
}

/** Docker's (moby daemon/health.go). */
const DEFAULTS: Readonly<Record<NumberOf, number>> = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5_000,
  retries: 3,
};
type NumberOf = "intervalMs" | "timeoutMs" | "startPeriodMs" | "startIntervalMs" | "retries";
const NUMBERS = Object.keys(DEFAULTS) as readonly NumberOf[];

/** Where an image's config says it (OCI image spec, Docker's extension), in nanoseconds but for the last. */
const IN_IMAGE: Readonly<Record<NumberOf, string>> = {
  intervalMs: "Interval",
  timeoutMs: "Timeout",
  startPeriodMs: "StartPeriod",
  startIntervalMs: "StartInterval",
  retries: "Retries",
};
const NANOS_IN_MS = 1e6;
const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** The config's check laid over the image's, number by number (moby daemon/commit.go merge). What nobody says stays zero. */
export function mergeHealthCheck(
  own: HealthCheck | undefined,
  image: Readonly<Record<string, unknown>>,
): HealthCheck | undefined {
  const base = imageHealthCheck(image);
  if (own === undefined || base === undefined) return own ?? base;
  return {
    ...withNumbers((name) => own[name] || base[name]),
    test: own.test.length > 0 ? own.test : base.test,
  };
}

/** What to run, and when; undefined when the check is NONE, or says nothing that can be run. */
export function probeOf(
  check: HealthCheck | undefined,
  image: Readonly<Record<string, unknown>>,
): Probe | undefined {
  const [kind, ...words] = check?.test ?? [];
  if (check === undefined || (kind !== "CMD" && kind !== "CMD-SHELL")) return undefined;
  const args = kind === "CMD" ? words : [...shellOf(image), ...words];
  if (args.length === 0) return undefined;
  return { ...withNumbers((name) => (check[name] > 0 ? check[name] : DEFAULTS[name])), args };
}

function imageHealthCheck({ Healthcheck }: Readonly<Record<string, unknown>>): HealthCheck | undefined {
  if (typeof Healthcheck !== "object" || Healthcheck === null) return undefined;
  const said = Healthcheck as Readonly<Record<string, unknown>>;
  const numberOf = (name: NumberOf): number => {
    const value = said[IN_IMAGE[name]];
    if (typeof value !== "number") return 0;
    return name === "retries" ? value : value / NANOS_IN_MS;
  };
  return { ...withNumbers(numberOf), test: textsOf(said["Test"]) };
}

function withNumbers(numberOf: (name: NumberOf) => number): Record<NumberOf, number> {
  return Object.fromEntries(NUMBERS.map((name) => [name, numberOf(name)])) as Record<NumberOf, number>;
}

/** The image's SHELL, which the check's line is for. */
function shellOf({ Shell }: Readonly<Record<string, unknown>>): readonly string[] {
  const shell = textsOf(Shell);
  return shell.length > 0 ? shell : DEFAULT_SHELL;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
