import { Fault } from "../lib/index.ts";
import type { ProgramInfo, ProgramWords, StreamIo, TerminalSize } from "../model/index.ts";
import type { ProgramBackend, ProgramStart } from "./backends.ts";

/**
 * Programs in memory: "cat" writes what it reads, "wc" how many bytes that was, "fail N" says so on stderr and ends with N, "wait" runs
 * on, "nosuch" is not there.
 */
export class FakePrograms implements ProgramBackend {
  readonly #requireRunning: (ref: string) => string;
  readonly #all = new Map<string, ProgramInfo>();
  readonly sizes: TerminalSize[] = [];
  /** Programs whose clients have left. */
  readonly left: string[] = [];

  /** `requireRunning` gives the container's id, or refuses. */
  constructor(requireRunning: (ref: string) => string) {
    this.#requireRunning = requireRunning;
  }

  async create(ref: string, words: ProgramWords): Promise<string> {
    const id = String(this.#all.size + 1).padStart(64, "e");
    this.#all.set(id, { id, containerId: this.#requireRunning(ref), words, status: "created", pid: 0 });
    return id;
  }

  require(id: string): ProgramInfo {
    const found = this.#all.get(id);
    if (found === undefined) throw new Fault("not-found", `No such exec instance: ${id}`);
    return found;
  }

  async start(
    id: string,
    io: StreamIo,
    { size, signal }: ProgramStart,
  ): Promise<{ readonly ended: Promise<number> }> {
    const program = this.require(id);
    const [name = "", code = "0"] = program.words.args;
    if (size !== undefined) this.sizes.push(size);
    signal?.addEventListener("abort", () => this.left.push(id));
    if (name === "nosuch") {
      this.#all.set(id, { ...program, status: "ended", exitCode: 127 });
      throw new Fault(
        "invalid",
        'OCI runtime exec failed: exec: "nosuch": executable file not found in $PATH',
      );
    }
    this.#all.set(id, { ...program, status: "running", pid: 4712 });
    const played = PROGRAMS[name]?.(io, code) ?? new Promise<number>(() => {});
    const ended = played.then((exitCode) => {
      this.#all.set(id, { ...program, status: "ended", exitCode });
      return exitCode;
    });
    return { ended };
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    this.require(id);
    this.sizes.push(size);
  }
}

async function cat(io: StreamIo): Promise<number> {
  for await (const chunk of io.input ?? []) await io.write("stdout", chunk);
  return 0;
}

async function wc(io: StreamIo): Promise<number> {
  let bytes = 0;
  for await (const chunk of io.input ?? []) bytes += chunk.length;
  await io.write("stdout", Buffer.from(`${bytes}\n`));
  return 0;
}

async function fail(io: StreamIo, code: string): Promise<number> {
  await io.write("stderr", Buffer.from("no luck\n"));
  return Number(code);
}

const PROGRAMS: Readonly<Record<string, (io: StreamIo, code: string) => Promise<number>>> = { cat, wc, fail };
