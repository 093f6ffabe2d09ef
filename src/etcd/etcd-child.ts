import { type ChildProcess, spawn } from "node:child_process";

/** One run of the etcd program: when it ended, and what it said about it. */
export class EtcdChild {
  /** Resolves when the program has ended or could not be started. Never rejects. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  #running = true;
  #error: NodeJS.ErrnoException | undefined;
  #said = "";
  #complaint: string | undefined;

  /** `cwd`: etcd makes its sockets there. */
  constructor(argv: readonly string[], cwd: string) {
    this.#process = spawn("etcd", argv, {
      stdio: ["ignore", "ignore", "pipe"],
      cwd,
      // etcd reads every flag from ETCD_… variables too: it gets none of ours.
      env: { PATH: process.env["PATH"] ?? "" },
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#running = false;
        resolve();
      };
      this.#process.once("close", end);
      this.#process.once("error", (error) => {
        this.#error = error;
        end();
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** True when there is no such program. */
  get missing(): boolean {
    return this.#error?.code === "ENOENT";
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.kill(signal);
  }

  /** Why it ended, in its own words where it had any. */
  get reason(): string {
    if (this.#error !== undefined) return this.#error.message;
    const { exitCode, signalCode } = this.#process;
    if (signalCode !== null) return `killed by ${signalCode}`;
    return this.#complaint ?? `exit code ${exitCode}`;
  }

  #hear(text: string): void {
    const lines = (this.#said + text).split("\n");
    this.#said = (lines.pop() ?? "").slice(-4_096);
    for (const line of lines) this.#complaint ??= complaintIn(line);
  }
}

/** What etcd dies of is its first line of level fatal, panic or error, or one that is no log line; traces follow. */
export function complaintIn(line: string): string | undefined {
  if (!line.startsWith("{")) return line.trim() || undefined;
  try {
    const { level, msg, error } = JSON.parse(line) as { level?: string; msg?: string; error?: string };
    if (level !== "fatal" && level !== "panic" && level !== "error") return undefined;
    return error === undefined ? msg : `${msg}: ${error}`;
  } catch {
    return undefined;
  }
}
