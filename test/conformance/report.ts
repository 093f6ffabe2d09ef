import type { Difference } from "./differences.ts";
import type { Finding, Verdict } from "./tell.ts";

export interface Score {
  readonly equal: number;
  readonly known: number;
  readonly unexplained: number;
  readonly commands: number;
}

export function scoreOf(verdicts: readonly Verdict[]): Score {
  const isKnown = ({ findings }: Verdict) => findings.every(({ rows }) => rows !== undefined);
  const equal = verdicts.filter(({ findings }) => findings.length === 0).length;
  const unexplained = verdicts.filter((verdict) => !isKnown(verdict)).length;
  const commands = verdicts.flatMap(({ sequence }) => sequence.steps.filter(({ verb }) => verb === "docker"));
  return {
    equal,
    known: verdicts.length - equal - unexplained,
    unexplained,
    commands: commands.length,
  };
}

/** Rows of sequences that were told, and that explained nothing: the difference they speak of is no more. */
export function staleRows(
  verdicts: readonly Verdict[],
  rows: readonly Difference[],
  all: boolean,
): Difference[] {
  const used = new Set(
    verdicts.flatMap(({ findings }) => findings.flatMap(({ rows: found }) => found ?? [])),
  );
  const told = new Set(verdicts.map(({ sequence }) => sequence.name));
  return rows.filter((row) => !used.has(row) && (all || told.has(row.sequence)));
}

/** What nobody has explained yet, for people: `-` is Docker's, `+` is Shoal's. */
export function printFindings({ sequence, findings }: Verdict): string {
  const open = findings.filter(({ rows }) => rows === undefined);
  return open.length === 0
    ? ""
    : [`# ${sequence.name}: ${sequence.about}`, ...open.flatMap(print)].join("\n");
}

function print({ step, hunk }: Finding): string[] {
  return [
    `  ${step}`,
    ...hunk.docker.map((line) => `    - ${line}`),
    ...hunk.shoal.map((line) => `    + ${line}`),
  ];
}
