import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContainersHarness } from "./containers.contract.ts";
import type { AttachIo, ProgramConfig, ProgramIo } from "./program.ts";

/** Somebody who keeps what he sees. */
class Looker implements AttachIo {
  readonly seen = { stdout: "", stderr: "" };
  readonly endsInput = true;
  readonly input?: AsyncIterable<Uint8Array>;

  constructor(input?: AsyncIterable<Uint8Array>) {
    if (input !== undefined) this.input = input;
  }

  write(stream: "stdout" | "stderr", chunk: Uint8Array): undefined {
    this.seen[stream] += Buffer.from(chunk).toString();
  }
}

async function* typed(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

/** One who then types nothing more, and stays. */
async function* typedFirst(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  await new Promise(() => {});
}

const plain = (...args: string[]): ProgramConfig => ({ args, tty: false, hasInput: true });

/** What every kind of ContainerStreams does. */
export function streamsContract(name: string, make: () => Promise<ContainersHarness>): void {
  describe(`${name}, looked at`, () => {
    let it: ContainersHarness;
    const never = new AbortController().signal;
    beforeEach(async () => {
      it = await make();
    });
    afterEach(() => it.end());

    const running = async (script: string): Promise<string> => {
      const config = it.config(script);
      await it.containers.create(config);
      await it.containers.start(config.id);
      return config.id;
    };
    const run = async (id: string, config: ProgramConfig, io: ProgramIo): Promise<number> =>
      (await it.containers.streams.open(id, config, io)).ended;

    test("a program's two streams, and its exit code", async () => {
      const id = await running("sleep 1000");
      const looker = new Looker();
      expect(await run(id, plain("sh", "-c", "echo out; echo err >&2; exit 3"), looker)).toBe(3);
      expect(looker.seen).toEqual({ stdout: "out\n", stderr: "err\n" });
    });

    test("a program reads to the end of its input", async () => {
      const id = await running("sleep 1000");
      const looker = new Looker(typed("a", "b\n", "c"));
      expect(await run(id, plain("cat"), looker)).toBe(0);
      expect(looker.seen.stdout).toBe("ab\nc");
    });

    test("no program runs in a container that does not", async () => {
      const config = it.config("exit 0");
      await it.containers.create(config);
      await expect(run(config.id, plain("true"), new Looker())).rejects.toMatchObject({
        kind: "conflict",
        message: `container ${config.id} is not running`,
      });
    });

    test("a program that is not there is refused in runc's words", async () => {
      const id = await running("sleep 1000");
      await expect(run(id, plain("nosuch"), new Looker())).rejects.toMatchObject({
        kind: "invalid",
        message: expect.stringContaining('"nosuch": executable file not found in $PATH'),
      });
    });

    test("a program that is killed ends with 137", async () => {
      const id = await running("sleep 1000");
      const looker = new Looker(typedFirst("a"));
      const program = await it.containers.streams.open(id, plain("cat"), looker);
      await expect.poll(() => looker.seen.stdout, { timeout: 10_000 }).toBe("a");
      await program.kill();
      expect(await program.ended).toBe(137);
      await program.kill();
    });

    test("who attached before the start sees all, and is told of the end; who leaves is let go", async () => {
      const config = it.config("echo one; echo two >&2; exit 0");
      await it.containers.create(config);
      const [stays, leaves] = [new Looker(), new AbortController()];
      const all = it.containers.streams.attach(config.id, stays, never);
      const some = it.containers.streams.attach(config.id, new Looker(), leaves.signal);
      leaves.abort(new Error("left"));
      await expect(some).rejects.toThrow("left");
      await it.containers.start(config.id);
      await all;
      expect(stays.seen).toEqual({ stdout: "one\n", stderr: "two\n" });
    });
  });
}
