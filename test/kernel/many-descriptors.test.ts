import { closeSync, openSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Kernel } from "../../src/kernel/index.ts";
import { NamespaceHandle } from "../../src/kernel/namespace-handle.ts";
import { Namespaces } from "../../src/kernel/namespaces.ts";
import { EMPTY_NAMESPACE, HOST, type NftTable, type NodeNetwork } from "../../src/netstate/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** More namespaces, and more open files, than select(2) can wait for: libnftables would end the process. */

const NAMESPACES = 270;

let host: TestHost;
let kernel: Kernel;
const files: number[] = [];

beforeAll(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
});

afterAll(async () => {
  for (const fd of files) closeSync(fd);
  await kernel.destroy();
  await host.dispose();
});

const table = (mark: number): NftTable => ({
  family: "ip",
  name: "sh-t",
  sets: [],
  maps: [],
  chains: [{ name: `c${mark}`, rules: [] }],
});

const network = (mark: number): NodeNetwork => ({
  namespaces: {
    [HOST]: EMPTY_NAMESPACE,
    ...Object.fromEntries(
      Array.from({ length: NAMESPACES }, (_, i) => [
        `box-${i}`,
        { ...EMPTY_NAMESPACE, tables: [table(mark)] },
      ]),
    ),
  },
});

test(`${NAMESPACES} namespaces with tables, and thousands of open files beside them`, {
  timeout: 300_000,
}, async () => {
  expect(
    (await kernel.apply({ namespaces: { [HOST]: { ...EMPTY_NAMESPACE, tables: [table(0)] } } })).failures,
  ).toEqual([]);
  for (let i = 0; i < 2000; i++) files.push(openSync("/dev/null", "r"));
  for (const mark of [1, 2]) {
    expect((await kernel.apply(network(mark))).failures).toEqual([]);
    for (const box of [0, NAMESPACES - 1])
      expect(await host.run(["nft", "list", "table", "ip", "sh-t"], `box-${box}`)).toContain(`c${mark}`);
  }
  expect(await kernel.sweep(network(2))).toEqual([]);
});

test("a namespace that cannot be opened whole leaves no descriptor open, and is opened whole the next time", () => {
  const count = () => readdirSync("/proc/self/fd").length;
  const namespaces = host.inside(() => new Namespaces("sh", host.folder));
  namespaces.ensure("first");
  const before = count();
  const forget = namespaces.onOpen(() => {
    throw new Error("too many open files");
  });
  expect(() => namespaces.ensure("second")).toThrow("too many open files");
  expect(() => new NamespaceHandle({ ...SECOND, fd: openSync("/dev/null", "r") })).toThrow("cannot enter");
  expect(count()).toBe(before);
  forget();
  expect(namespaces.ensure("second").fresh).toBe(true);
  for (const name of ["first", "second"]) namespaces.destroy(name);
  namespaces.close();
});

const SECOND = { name: "second", shared: false, tag: "sh" };
