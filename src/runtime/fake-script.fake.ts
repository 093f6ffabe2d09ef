import { Fault } from "../lib/index.ts";
import type { LogEntry } from "./container.ts";

/** What a process of FakeContainers does. */
export interface FakeRun {
  readonly output: readonly { readonly stream: LogEntry["stream"]; readonly line: string }[];
  /** Undefined: it runs on. */
  readonly exitCode: number | undefined;
  /** How it ends on its stop signal; undefined: not at all, like any process 1 that does not handle it. */
  readonly onStop: number | undefined;
}

const NO_PROGRAM = "nosuch";

/**
 * Plays a `sh -c` script of `echo … [>&2]`, `exit n`, `trap "exit n" NAME` and anything else, which runs on. Another program
 * runs on too, but for "nosuch", which is not there.
 */
export function runFakeScript(command: readonly string[]): FakeRun {
  const [program = "", , script = ""] = command;
  if (program === NO_PROGRAM) {
    throw new Fault(
      "invalid",
      `OCI runtime create failed: exec: "${program}": executable file not found in $PATH`,
    );
  }
  const output: { stream: LogEntry["stream"]; line: string }[] = [];
  let onStop: number | undefined;
  for (const statement of program === "sh" ? script.split(";").map((s) => s.trim()) : ["run on"]) {
    const [, said = "", redirect] = /^echo (.*?)( >&2)?$/.exec(statement) ?? [];
    const [, exitCode] = /^exit (\d+)$/.exec(statement) ?? [];
    const [, trapped] = /^trap "exit (\d+)" \w+$/.exec(statement) ?? [];
    if (exitCode !== undefined) return { output, exitCode: Number(exitCode), onStop };
    if (trapped !== undefined) onStop = Number(trapped);
    else if (said !== "") output.push({ stream: redirect === undefined ? "stdout" : "stderr", line: said });
    else return { output, exitCode: undefined, onStop };
  }
  return { output, exitCode: 0, onStop };
}
