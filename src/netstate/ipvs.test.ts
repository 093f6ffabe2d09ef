import { describe, expect, test } from "vitest";
import { diffNamespace } from "./diff.ts";
import type { IpvsService } from "./ipvs.ts";
import { EMPTY_NAMESPACE, type Namespace } from "./node-network.ts";
import { describeOperation, type ObservedNamespace } from "./operations.ts";
import { printNamespace } from "./print.ts";
import { staleConnections } from "./stale.ts";

const TIMEOUTS = { tcp: 432000, tcpFin: 120, udp: 120 };

const service = (mark: number, backends: readonly string[], drains = true): IpvsService => ({
  family: "ip",
  mark,
  scheduler: "rr",
  drains,
  destinations: backends.map((address) => ({ address, port: 0 })),
});

/** Services, and routes to these addresses. */
const namespace = (services: readonly IpvsService[], ways: readonly string[]): Namespace => ({
  ...EMPTY_NAMESPACE,
  routes: ways.map((address) => ({ destination: `${address}/32`, link: "sh-v1" })),
  tables: [
    {
      family: "ip",
      name: "sh-lb",
      sets: [],
      maps: [{ name: "vips-udp", key: "ipv4_addr", value: "mark", elements: { "10.0.1.5": "0x00000007" } }],
      chains: [],
    },
  ],
  ipvs: { timeouts: TIMEOUTS, services },
});

const steps = (now: ObservedNamespace, want: Namespace) => diffNamespace(now, want).map(describeOperation);

describe("diff of IPVS", () => {
  test("a service is put with its destinations, before the rules that mark packets for it", () => {
    const want = namespace([service(7, ["10.0.1.21"])], []);
    const other = { ...want, tables: want.tables.map((table) => ({ ...table, maps: [] })) };
    const { ipvs: _, ...now } = other;
    expect(steps(now, want)).toEqual([
      "set timeouts of IPVS",
      "put IPVS service 0x00000007",
      "put destination 10.0.1.21:0 of IPVS service 0x00000007",
      "change table ip sh-lb",
    ]);
  });

  test("one more destination is one step, in one service", () => {
    const many = (extra: readonly string[]) =>
      namespace([service(7, ["10.0.1.21", ...extra]), service(8, ["10.0.1.21"])], []);
    expect(steps(many([]), many(["10.0.1.22"]))).toEqual([
      "put destination 10.0.1.22:0 of IPVS service 0x00000007",
    ]);
  });

  test("who leaves drains while there is a way to it, and is gone with the way", () => {
    const before = namespace([service(7, ["10.0.1.21", "10.0.1.22"])], ["10.0.1.21", "10.0.1.22"]);
    const after = namespace([service(7, ["10.0.1.21"])], ["10.0.1.21", "10.0.1.22"]);
    expect(steps(before, after)).toEqual(["drain destination 10.0.1.22:0 of IPVS service 0x00000007"]);
    const drained = [{ mark: 7, destination: { address: "10.0.1.22", port: 0 } }];
    expect(steps({ ...after, drained }, after)).toEqual([]);
    const ended = namespace([service(7, ["10.0.1.21"])], ["10.0.1.21"]);
    expect(steps(after, ended)).toEqual(["remove route 10.0.1.22/32 by sh-v1", "end draining of 10.0.1.22"]);
    expect(steps({ ...ended, drained }, ended)).toEqual([
      "remove destination 10.0.1.22:0 of IPVS service 0x00000007",
    ]);
    expect(steps({ ...after, drained }, before)).toEqual([
      "put destination 10.0.1.22:0 of IPVS service 0x00000007",
    ]);
  });

  test("where connections have no end, who leaves is gone at once, and his connections are forgotten", () => {
    const ways = ["10.0.1.21", "10.0.1.22"];
    const before = namespace([service(7, ways, false)], ways);
    const after = namespace([service(7, ["10.0.1.21"], false)], ways);
    expect(steps(before, after)).toEqual(["remove destination 10.0.1.22:0 of IPVS service 0x00000007"]);
    expect(staleConnections(before, after, true)).toEqual({
      gone: [],
      left: ["10.0.1.22"],
      opened: [],
      begun: [],
    });
    const none = namespace([service(7, [], false)], ways);
    expect(staleConnections(none, after, true)).toEqual({
      gone: [],
      left: [],
      opened: ["10.0.1.5"],
      begun: [],
    });
  });

  test("a service that is no more wanted goes; another scheduler keeps destinations", () => {
    const before = namespace([service(7, ["10.0.1.21"]), service(8, [])], []);
    const least = { ...service(7, ["10.0.1.21"]), scheduler: "lc" };
    expect(steps(before, namespace([least], []))).toEqual([
      "put IPVS service 0x00000007",
      "remove IPVS service 0x00000008",
    ]);
  });

  test("printed in the words of ipvsadm", () => {
    const text = printNamespace({ ...namespace([service(7, ["10.0.1.22", "10.0.1.21"])], []), tables: [] });
    expect(text).toBe(
      [
        "# ipvsadm",
        "--set 432000 120 120",
        "-f 0x00000007 -s rr drains",
        "-f 0x00000007 -r 10.0.1.21:0 -m",
        "-f 0x00000007 -r 10.0.1.22:0 -m",
        "",
      ].join("\n"),
    );
  });
});
