import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { HOST } from "../../src/netstate/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { serve, type Talk, talkOverTcp } from "../support/traffic.ts";

/**
 * Somebody takes our tables away while connections are open and talk. In a sandbox none of them ends; in the host's own namespace those that
 * it translates may. New ones are right when the tables are back.
 */

const SKETCH: ClusterSketch = {
  nodes: 2,
  dual: true,
  services: [
    {
      id: "echo",
      vip: 6,
      networks: ["ingress", "front"],
      ports: [{ protocol: "tcp", published: 8080, target: 80 }],
    },
  ],
  tasks: [
    { id: "echo1111", node: 2, number: 21, networks: ["ingress", "front"], service: "echo" },
    { id: "client11", node: 1, number: 31, networks: ["front"], takes: false },
    { id: "client22", node: 2, number: 32, networks: ["front"], takes: false },
  ],
};
const WANTED = [1, 2].map((node) => planNetwork(factsOf(SKETCH, node), { tag: "sh" }));

const hosts: TestHost[] = [];
const kernels: Kernel[] = [];
const stop = new AbortController();
let server: Talk;
let unplug = async () => {};

beforeAll(async () => {
  for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
  unplug = await joinHosts(hosts);
  for (const [i, host] of hosts.entries())
    await host.run(["ip", "address", "add", `2001:db8::${i + 1}/64`, "dev", "eth0", "nodad"]);
  for (const [i, wanted] of WANTED.entries()) {
    const kernel = hosts[i]!.kernel();
    kernels.push(kernel);
    expect((await kernel.apply(wanted)).failures).toEqual([]);
    kernel.watch(stop.signal, () => void kernel.sweep(wanted));
  }
  server = await serve(hosts[1]!.path("task-echo1111"), "echo1111", 80, "::");
});

afterAll(async () => {
  stop.abort();
  server.stop();
  for (const kernel of kernels) await kernel.destroy();
  await unplug();
  for (const host of hosts) await host.dispose();
});

/** Who calls: the number of a host, and a task there. The task that answers is on the second. */
const WAYS = [
  ["by the other node", 2, undefined, "192.168.7.1", 8080],
  ["by the other node, IPv6", 2, undefined, "2001:db8::1", 8080],
  ["by the task's node", 2, undefined, "192.168.7.2", 8080],
  ["by the task's node, IPv6", 2, undefined, "2001:db8::2", 8080],
  ["by the other node's loopback", 0, undefined, "127.0.0.1", 8080],
  ["by a VIP, from the other node", 0, "task-client11", "10.0.1.6", 80],
  ["by a VIP, from the other node, IPv6", 0, "task-client11", "fd00:1::6", 80],
  ["by a VIP, from the task's node", 1, "task-client22", "10.0.1.6", 80],
] as const;

/** A connection that says something, hears it, and goes on so until it is stopped. */
interface Chat {
  readonly way: string;
  /** How often it has heard what it said. */
  heard(): number;
  /** What it heard instead. */
  end(): string;
  stop(): Promise<void>;
}

async function chat([way, host, task, address, port]: (typeof WAYS)[number]): Promise<Chat> {
  const talk = await talkOverTcp(hosts[host]!.path(task), address, port);
  let [heard, end, on] = [0, "", true];
  const talking = (async () => {
    for (; on && end === ""; heard++) {
      const line = await talk.ask(`${heard}`);
      if (line !== `${heard}`) end = line;
    }
  })();
  const finish = async () => {
    on = false;
    await talking;
    talk.stop();
  };
  return { way, heard: () => heard, end: () => end, stop: finish };
}

/** All have heard something since this moment, or ended. */
async function goOn(chats: readonly Chat[]): Promise<void> {
  const before = chats.map((each) => each.heard());
  await expect
    .poll(() => chats.filter((each, i) => each.heard() < before[i]! + 3 && each.end() === ""))
    .toEqual([]);
  expect(chats.flatMap((each) => (each.end() === "" ? [] : [`${each.way}: ${each.end()}`]))).toEqual([]);
}

/** Each of our tables, and all at once, in every namespace that has some. */
const DAMAGES = WANTED.flatMap(({ namespaces }, node) =>
  Object.entries(namespaces).flatMap(([where, { tables }]) => {
    const deletes = tables.map(({ family, name }) => `nft delete table ${family} ${name}`);
    const commands = tables.length === 0 ? [] : [...deletes, "nft flush ruleset"];
    return commands.map((command) => [command, where, node] as const);
  }),
);

test.each(DAMAGES)("%s in %s of node %s", async (command, where, node) => {
  const place = where === HOST ? undefined : where;
  const tables = async () =>
    (await hosts[node]!.run(["nft", "list", "tables"], place)).split("\n").toSorted().join(" ");
  const before = await tables();
  const chats = await Promise.all(WAYS.map(chat));
  try {
    await goOn(chats);
    await hosts[node]!.run(command.split(" ") as [string, ...string[]], place);
    await expect.poll(tables).toBe(before);
    await expect.poll(() => kernels[node]!.sweep(WANTED[node]!)).toEqual([]);
    if (place !== undefined) await goOn(chats);
    chats.push(...(await Promise.all(WAYS.map(chat))));
    await goOn(chats.slice(WAYS.length));
  } finally {
    await Promise.all(chats.map((each) => each.stop()));
  }
});
