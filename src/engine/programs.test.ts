import { expect, test } from "vitest";
import { FakeClock, seededRandom } from "../lib/index.ts";
import type { ProgramWords, TerminalSize } from "../model/index.ts";
import { type ProgramHomes, Programs } from "./programs.ts";

const words: ProgramWords = {
  ...{ args: ["top"], env: [], tty: true },
  attach: { stdin: false, stdout: true, stderr: true },
};

/** Programs of one container, which begin to run when they are let. */
function slow() {
  const sizes: TerminalSize[] = [];
  let run = () => {};
  const may = new Promise<void>((resolve) => {
    run = resolve;
  });
  const homes: ProgramHomes = {
    get: async () => ({ status: "running" }),
    async open() {
      await may;
      return { pid: 7, ended: new Promise(() => {}), resize: async (size) => void sizes.push(size) };
    },
  };
  const clock = new FakeClock();
  return { clock, sizes, run, programs: new Programs({ homes, clock, random: seededRandom(1) }) };
}

test("the size of a terminal that comes before its program runs is for when it does", async () => {
  const { programs, sizes, run } = slow();
  const id = await programs.create("c", words);
  const sized = programs.resize(id, { rows: 24, columns: 80 });
  const started = programs.start(id, { write: () => undefined });
  const again = programs.resize(id, { rows: 25, columns: 80 });
  expect(sizes).toEqual([]);
  run();
  await Promise.all([sized, started, again]);
  expect(sizes.map(({ rows }) => rows)).toEqual([24, 25]);
});

test("it does not wait for ever for one that nobody starts", async () => {
  const { programs, clock } = slow();
  const id = await programs.create("c", words);
  const sized = programs.resize(id, { rows: 24, columns: 80 }).catch((error: unknown) => error);
  await clock.advance(10_000);
  expect(await sized).toMatchObject({ kind: "conflict", message: `exec ${id} is not running` });
});
