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

/** What a statement does to the container's files; false: it failed. */
const ON_FILES: Readonly<Record<string, (files: Set<string>, path: string) => boolean>> = {
  "touch ": (files, path) => files.add(path) !== undefined,
  "rm ": (files, path) => files.delete(path),
  "test -e ": (files, path) => files.has(path),
  "test ! -e ": (files, path) => !files.has(path),
};

/**
 * Plays a `sh -c` script of `echo … [>&2]`, `exit n`, `trap "exit n" NAME`, `touch`, `rm` and `test -e` or `test ! -e` of one path,
 * and anything else, which runs on. Another program runs on too, but for "nosuch", which is not there. As with sh, the last
 * statement's success is the script's; `did` says in runc's words what would have run.
 */
export function runFakeScript(
  command: readonly string[],
  files: Set<string>,
  did: "create" | "exec" = "create",
): FakeRun {
  const [program = "", , script = ""] = command;
  if (program === NO_PROGRAM) {
    throw new Fault(
      "invalid",
      `OCI runtime ${did} failed: exec: "${program}": executable file not found in $PATH`,
    );
  }
  const output: { stream: LogEntry["stream"]; line: string }[] = [];
  let onStop: number | undefined;
  let last = 0;
  const isShell = program === "sh" || program.endsWith("/sh");
  for (const statement of isShell ? script.split(";").map((s) => s.trim()) : ["run on"]) {
    const [, said = "", redirect] = /^echo (.*?)( >&2)?$/.exec(statement) ?? [];
    const [, exitCode] = /^exit (\d+)$/.exec(statement) ?? [];
    const [, trapped] = /^trap "exit (\d+)" \w+$/.exec(statement) ?? [];
    const [verb, act] = Object.entries(ON_FILES).find(([start]) => statement.startsWith(start)) ?? [];
    if (exitCode !== undefined) return { output, exitCode: Number(exitCode), onStop };
    if (act !== undefined) last = act(files, statement.slice(verb?.length)) ? 0 : 1;
    else if (trapped !== undefined) onStop = Number(trapped);
    else if (said !== "") output.push({ stream: redirect === undefined ? "stdout" : "stderr", line: said });
    else return { output, exitCode: undefined, onStop };
    if (act === undefined) last = 0;
  }
  return { output, exitCode: last, onStop };
}
