import { afterEach, describe, expect, test } from "vitest";
import {
  EMPTY_NAMESPACE,
  HOST,
  type IpvsService,
  type Namespace,
  type NodeNetwork,
} from "../netstate/index.ts";
import type { KernelUnderTest } from "./kernel.contract.ts";

export interface IpvsUnderTest extends KernelUnderTest {
  /** Removes all services. */
  clearIpvs(namespace: string): Promise<void>;
  /** Destinations as "0x00000007 10.0.1.21:0 1": mark, address and weight, in order. */
  destinations(namespace: string): Promise<string[]>;
}

const service = (mark: number, backends: readonly string[], drains = true): IpvsService => ({
  family: "ip",
  mark,
  scheduler: "rr",
  drains,
  destinations: backends.map((address) => ({ address, port: mark === 9 ? 80 : 0 })),
});

/** A sandbox with a way to each of `ways`. */
const box = (services: readonly IpvsService[], ways: readonly string[]): Namespace => ({
  ...EMPTY_NAMESPACE,
  links: [
    { kind: "vxlan", name: "sh-v70", mac: "02:42:0a:00:00:02", vni: 70, local: "192.168.7.1", port: 4789 },
  ],
  routes: ways.map((address) => ({ destination: `${address}/32`, link: "sh-v70" })),
  ipvs: { timeouts: { tcp: 432_000, tcpFin: 120, udp: 120 }, services },
});

const wanted = (services: readonly IpvsService[], ways: readonly string[]): NodeNetwork => ({
  namespaces: { [HOST]: EMPTY_NAMESPACE, box: box(services, ways) },
});

const [one, two] = ["10.0.1.21", "10.0.1.22"];
const BOTH = [one, two];
const FULL = wanted([service(7, BOTH), service(8, BOTH, false), service(9, BOTH)], BOTH);
const LESS = wanted([service(7, [one]), service(8, [one], false), service(9, [one])], BOTH);

/** What every kernel edge must do with IPVS. */
export function describeIpvs(name: string, make: () => Promise<IpvsUnderTest>): void {
  describe(`${name}, IPVS`, () => {
    const made: IpvsUnderTest[] = [];
    const fresh = async () => {
      const under = await make();
      made.push(under);
      expect((await under.kernel.apply(FULL)).failures).toEqual([]);
      return under;
    };
    afterEach(async () => {
      for (const under of made.splice(0)) await under.dispose();
    });

    test("makes what is wanted; it and a successor find nothing to do", async () => {
      const { kernel, successor, destinations } = await fresh();
      expect(await destinations("box")).toEqual([
        "0x00000007 10.0.1.21:0 1",
        "0x00000007 10.0.1.22:0 1",
        "0x00000008 10.0.1.21:0 1",
        "0x00000008 10.0.1.22:0 1",
        "0x00000009 10.0.1.21:80 1",
        "0x00000009 10.0.1.22:80 1",
      ]);
      expect(await kernel.sweep(FULL)).toEqual([]);
      expect(await successor().sweep(FULL)).toEqual([]);
    });

    test("who leaves drains until there is no way to it; where nothing has an end, it is gone at once", async () => {
      const { kernel, successor, destinations } = await fresh();
      expect(await kernel.apply(LESS)).toEqual({ failures: [], changes: 3 });
      const draining = [
        "0x00000007 10.0.1.21:0 1",
        "0x00000007 10.0.1.22:0 0",
        "0x00000008 10.0.1.21:0 1",
        "0x00000009 10.0.1.21:80 1",
        "0x00000009 10.0.1.22:80 0",
      ];
      expect(await destinations("box")).toEqual(draining);
      expect(await successor().sweep(LESS)).toEqual([]);
      expect(await destinations("box")).toEqual(draining);
      const ended = wanted(LESS.namespaces["box"]?.ipvs?.services ?? [], [one]);
      expect((await kernel.apply(ended)).failures).toEqual([]);
      expect(await destinations("box")).toEqual(draining.filter((row) => row.endsWith("1")));
      expect(await kernel.sweep(ended)).toEqual([]);
    });

    test("who comes back while it drains gets something again", async () => {
      const { kernel, destinations } = await fresh();
      const before = await destinations("box");
      await kernel.apply(LESS);
      expect((await kernel.apply(FULL)).failures).toEqual([]);
      expect(await destinations("box")).toEqual(before);
      expect(await kernel.sweep(FULL)).toEqual([]);
    });

    test("a successor ends what its predecessor let drain", async () => {
      const { kernel, successor, destinations } = await fresh();
      await kernel.apply(LESS);
      const ended = wanted(LESS.namespaces["box"]?.ipvs?.services ?? [], [one]);
      expect((await successor().apply(ended)).failures).toEqual([]);
      expect((await destinations("box")).filter((row) => row.endsWith(" 0"))).toEqual([]);
    });

    test("another scheduler in place; services come and go", async () => {
      const { kernel, destinations } = await fresh();
      const other = wanted([{ ...service(7, BOTH), scheduler: "lc" }, service(10, [one])], BOTH);
      expect((await kernel.apply(other)).failures).toEqual([]);
      expect(await kernel.sweep(other)).toEqual([]);
      expect(await destinations("box")).toEqual([
        "0x00000007 10.0.1.21:0 1",
        "0x00000007 10.0.1.22:0 1",
        "0x0000000a 10.0.1.21:0 1",
      ]);
    });

    test("what somebody else removed is put back by a sweep", async () => {
      const { kernel, clearIpvs, destinations } = await fresh();
      const before = await destinations("box");
      await clearIpvs("box");
      expect(await destinations("box")).toEqual([]);
      const repairs = await kernel.sweep(FULL);
      expect(repairs).toContain("box: put IPVS service 0x00000007");
      expect(repairs).toContain("box: put destination 10.0.1.22:80 of IPVS service 0x00000009");
      expect(await destinations("box")).toEqual(before);
      expect(await kernel.sweep(FULL)).toEqual([]);
    });

    test("when a sandbox balances otherwise, all of it goes", async () => {
      const { kernel, successor, destinations } = await fresh();
      const { ipvs: _, ...without } = box([], BOTH);
      const other = { namespaces: { [HOST]: EMPTY_NAMESPACE, box: without } };
      expect((await successor().apply(other)).failures).toEqual([]);
      expect(await destinations("box")).toEqual([]);
      expect(await kernel.sweep(other)).toEqual([]);
    });
  });
}
