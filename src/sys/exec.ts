import { spawn } from "node:child_process";
import { Fault } from "../lib/index.ts";

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program with an argument list (never a shell) and waits for its end.
 * `input`, when given, is written to a pipe on its standard input; `stdin` is an open file that is its standard input. The caller's
 * signal kills it.
 */
export function exec(
  argv: readonly [string, ...string[]],
  options: {
    input?: string | Uint8Array;
    stdin?: number;
    signal?: AbortSignal;
    env?: NodeJS.ProcessEnv;
    cwd?: string;
  } = {},
): Promise<ExecResult> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: [options.stdin ?? (options.input === undefined ? "ignore" : "pipe"), "pipe", "pipe"],
      ...(options.signal && { signal: options.signal }),
      ...(options.env && { env: options.env }),
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (cause) => {
      reject(new Fault("internal", `cannot run ${file}: ${cause.message}`, { cause }));
    });
    child.on("close", (code) => {
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
    if (options.input === undefined) return;
    child.stdin?.on("error", () => undefined); // it ended without reading all: its exit code tells
    child.stdin?.end(options.input);
  });
}

/** `exec`, and a Fault that quotes standard error unless the exit code is 0. Returns standard output. */
export async function execOk(
  argv: readonly [string, ...string[]],
  options: Parameters<typeof exec>[1] = {},
): Promise<string> {
  const result = await exec(argv, options);
  if (result.code === 0) return result.stdout;
  const reason = result.stderr.trim() || `exit code ${result.code}`;
  throw new Fault("internal", `cannot run ${argv.slice(0, 3).join(" ")}: ${reason}`);
}
