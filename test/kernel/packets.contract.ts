import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PlanSettings, planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";
import {
  askOverUdp,
  connectTimes,
  listenOnUdp,
  pings,
  sendOverUdp,
  serve,
  sorted,
  type Talk,
  talkOverTcp,
  tally,
} from "../support/traffic.ts";

const SKETCH = TALKERS;

/** What packets do in a cluster of two nodes, with a third host as the world outside, whatever the nodes have. */
export function describePackets(name: string, has: Pick<PlanSettings, "balancer" | "flowTables">): void {
  const settings = { tag: "sh", ...has };
  describe(`packets, balanced by ${name}`, () => {
    const hosts: TestHost[] = [];
    const kernels: Kernel[] = [];
    const servers: Talk[] = [];
    let unplug = async () => {};

    const [one, two] = [0, 1];
    const task = (id: string, host: number) => hosts[host]!.path(`task-${id}`);
    const outside = () => hosts[2]!.path();

    async function applyAll(sketch: ClusterSketch) {
      for (const [i, kernel] of kernels.entries()) {
        const report = await kernel.apply(planNetwork(factsOf(sketch, i + 1), settings));
        expect(report.failures).toEqual([]);
      }
    }

    beforeAll(async () => {
      for (let i = 0; i < 3; i++) hosts.push(await makeTestHost());
      unplug = await joinHosts(hosts);
      kernels.push(hosts[0]!.kernel(), hosts[1]!.kernel());
      await applyAll(SKETCH);
      for (const { id, node } of SKETCH.tasks) servers.push(await serve(task(id, node - 1), id, 80));
    });

    afterAll(async () => {
      for (const server of servers) server.stop();
      for (const kernel of kernels) await kernel.destroy();
      await unplug();
      for (const host of hosts) await host.dispose();
    });

    test("a task reaches tasks of its network, here and on the other node, by ping and TCP", async () => {
      expect(await pings(task("client11", one), "10.0.1.21")).toBe(true);
      expect(await pings(task("client11", one), "10.0.1.22")).toBe(true);
      expect(await connectTimes(task("client11", one), "10.0.1.21", 80, 1)).toEqual(["vote1111 10.0.1.31"]);
      expect(await connectTimes(task("client11", one), "10.0.1.22", 80, 1)).toEqual(["vote2222 10.0.1.31"]);
    });

    test("no task reaches a network that it is not on", async () => {
      const answers = await connectTimes(task("client11", one), "10.0.2.33", 80, 1, 500);
      expect(answers[0]).not.toContain("lonely11");
    });

    test("tasks do not talk over the ingress network", async () => {
      const answers = await connectTimes(task("vote2222", two), "10.0.0.21", 80, 1, 500);
      expect(answers[0]).not.toContain("vote1111");
    });

    test("a VIP spreads connections over all tasks, and they see who calls", async () => {
      const counts = tally(await connectTimes(task("client11", one), "10.0.1.5", 80, 90));
      expect(sorted(Object.keys(counts))).toEqual([
        "vote1111 10.0.1.31",
        "vote2222 10.0.1.31",
        "vote3333 10.0.1.31",
      ]);
      for (const count of Object.values(counts)) expect(count).toBeGreaterThan(18);
    });

    test("a task that draws itself through its service's VIP gets an answer", async () => {
      const counts = tally(await connectTimes(task("vote2222", two), "10.0.1.5", 80, 30));
      const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
      expect(sorted(names)).toEqual(["vote1111", "vote2222", "vote3333"]);
    });

    test("a VIP without tasks refuses at once", async () => {
      expect(await connectTimes(task("client11", one), "10.0.1.7", 80, 1)).toEqual(["ECONNREFUSED"]);
    });

    test("a published port answers on every node, and the task sees the outside client's address", async () => {
      for (const address of ["192.168.7.1", "192.168.7.2"]) {
        const counts = tally(await connectTimes(outside(), address, 8080, 60));
        expect(sorted(Object.keys(counts))).toEqual([
          "vote1111 192.168.7.3",
          "vote2222 192.168.7.3",
          "vote3333 192.168.7.3",
        ]);
        for (const count of Object.values(counts)) expect(count).toBeGreaterThan(12);
      }
    });

    test("a published port answers on the node's own addresses and loopback", async () => {
      for (const address of ["127.0.0.1", "192.168.7.1"]) {
        const counts = tally(await connectTimes(hosts[0]!.path(), address, 8080, 12));
        const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
        expect(sorted(names), JSON.stringify(counts)).toEqual(["vote1111", "vote2222", "vote3333"]);
      }
    });

    test("a client whose address is a task's, a node's or the gateway's in the mesh is answered", async () => {
      const ip = (host: number, words: string) => hosts[host]!.run(["ip", ...words.split(" ")]);
      for (const own of ["10.0.0.21", "10.0.0.202", "10.0.0.1"]) {
        await ip(2, `address add ${own}/32 dev lo`);
        for (const node of [1, 2]) await ip(2, `route replace 192.168.7.${node}/32 dev eth0 src ${own}`);
        for (const host of [one, two]) await ip(host, `route add ${own}/32 via 192.168.7.3`);
        for (const address of ["192.168.7.1", "192.168.7.2"]) {
          const counts = tally(await connectTimes(outside(), address, 8080, 6));
          const names = new Set(Object.keys(counts).map((answer) => answer.split(" ")[0]));
          expect(sorted(names), JSON.stringify({ own, address, counts })).toEqual([
            "vote1111",
            "vote2222",
            "vote3333",
          ]);
        }
        for (const host of [one, two]) await ip(host, `route delete ${own}/32`);
        for (const node of [1, 2]) await ip(2, `route delete 192.168.7.${node}/32`);
        await ip(2, `address delete ${own}/32 dev lo`);
      }
    });

    test("while an update changes a published port, each task is asked at the port that it was made with", async () => {
      const before = SKETCH.services!.find(({ id }) => id === "vote")!.ports!;
      const after = [
        { protocol: "tcp", published: 8080, target: 81 },
        { protocol: "tcp", published: 8083, target: 82 },
      ] as const;
      const services = SKETCH.services!.map((row) => (row.id === "vote" ? { ...row, ports: after } : row));
      const tasks = SKETCH.tasks.map((row) => ({ ...row, ports: row.id === "vote1111" ? after : before }));
      const fresh = [81, 82].map((port) => serve(task("vote1111", one), "anew1111", port));
      const servers = await Promise.all(fresh);
      await applyAll({ ...SKETCH, services, tasks });
      for (const address of ["192.168.7.1", "192.168.7.2"]) {
        const both = tally(await connectTimes(outside(), address, 8080, 60));
        expect(sorted(Object.keys(both).map((answer) => answer.split(" ")[0]!))).toEqual([
          "anew1111",
          "vote2222",
          "vote3333",
        ]);
        const added = tally(await connectTimes(outside(), address, 8083, 10));
        expect(added).toEqual({ "anew1111 192.168.7.3": 10 });
      }
      await applyAll(SKETCH);
      for (const server of servers) server.stop();
    });

    test("a published UDP port answers, and the task sees the outside client's address", async () => {
      for (const address of ["192.168.7.1", "192.168.7.2"]) {
        for (let i = 0; i < 3; i++) {
          const asker = await askOverUdp(outside(), address, 8080);
          expect(await asker.ask("?")).toMatch(/^vote\d{4} 192\.168\.7\.3$/);
          asker.stop();
        }
      }
    });

    test("a UDP caller of a VIP goes on with another task when its own leaves", async () => {
      const asker = await askOverUdp(task("client11", one), "10.0.1.5", 80);
      const [first = ""] = (await asker.ask("?")).split(" ");
      expect((await asker.ask("?")).split(" ")[0]).toBe(first);
      const tasks = SKETCH.tasks.map((row) => (row.id === first ? { ...row, takes: false } : row));
      await applyAll({ ...SKETCH, tasks });
      const [second = ""] = (await asker.ask("?")).split(" ");
      expect(second).toMatch(/^vote/);
      expect(second).not.toBe(first);
      await applyAll(SKETCH);
      asker.stop();
    });

    test("a UDP caller of a published port goes on with another task when its own leaves, and again", async () => {
      for (const address of ["192.168.7.1", "192.168.7.2"]) {
        const asker = await askOverUdp(outside(), address, 8080);
        const [first = ""] = (await asker.ask("?")).split(" ");
        expect(await asker.ask("?")).toBe(`${first} 192.168.7.3`);
        const tasks = SKETCH.tasks.map((row) => (row.id === first ? { ...row, takes: false } : row));
        await applyAll({ ...SKETCH, tasks });
        const [second = ""] = (await asker.ask("?")).split(" ");
        expect(second).toMatch(/^vote/);
        expect(second).not.toBe(first);
        const left = tasks.map((row) => (row.id === second ? { ...row, takes: false } : row));
        await applyAll({ ...SKETCH, tasks: left });
        const third = await asker.ask("?");
        expect(third).toMatch(/^vote\d{4} 192\.168\.7\.3$/);
        expect([first, second]).not.toContain(third.split(" ")[0]);
        await applyAll(SKETCH);
        asker.stop();
      }
    });

    test("datagrams larger than a packet come and are answered, by VIP and by published port, with the caller's address", async () => {
      const calls = [
        [task("client11", one), "10.0.1.5", 80, "10.0.1.31"],
        [outside(), "192.168.7.1", 8080, "192.168.7.3"],
        [outside(), "192.168.7.2", 8080, "192.168.7.3"],
      ] as const;
      for (const [from, to, port, seen] of calls) {
        const heard = new Set<string>();
        for (let i = 0; i < 6; i++) {
          const asker = await askOverUdp(from, to, port);
          const answer = await asker.ask("9000");
          expect(answer).toMatch(new RegExp(`^vote\\d{4} ${seen.replaceAll(".", "\\.")} 9000$`));
          heard.add(answer);
          asker.stop();
        }
        expect(heard.size).toBe(3);
      }
    });

    test("a UDP caller of a VIP or port without tasks is served as soon as there is one", async () => {
      const inner = await askOverUdp(task("client11", one), "10.0.1.7", 80);
      const outer = await askOverUdp(outside(), "192.168.7.2", 8082);
      expect(await inner.ask("?")).toMatch(/ECONNREFUSED|timeout/);
      expect(await outer.ask("?")).toMatch(/ECONNREFUSED|timeout/);
      const tasks = SKETCH.tasks.map((row) => (row.id === "vote2222" ? { ...row, service: "void" } : row));
      const services = SKETCH.services!.map((row) =>
        row.id === "void"
          ? { ...row, ports: [...row.ports!, { protocol: "udp" as const, published: 8082, target: 80 }] }
          : row,
      );
      await applyAll({ ...SKETCH, tasks, services });
      expect(await inner.ask("?")).toBe("vote2222 10.0.1.31");
      expect(await outer.ask("?")).toBe("vote2222 192.168.7.3");
      await applyAll(SKETCH);
      inner.stop();
      outer.stop();
    });

    test("TCP to a task that has left its balancer ends in peace; nothing of a vanished task is kept", async () => {
      const talk = await talkOverTcp(task("client11", one), "10.0.1.6", 80);
      expect(await talk.ask("one")).toBe("one");
      const bystander = await talkOverTcp(task("client11", one), "10.0.1.21", 80);
      const tracked = (address: string) =>
        hosts[0]!.run(["conntrack", "-L", "--reply-src", address], "net-front-network");
      const leaving = SKETCH.tasks.map((row) => (row.id === "echo1111" ? { ...row, takes: false } : row));
      await applyAll({ ...SKETCH, tasks: leaving });
      expect(await talk.ask("two")).toBe("two");
      expect(await tracked("10.0.1.32")).toMatch(/ESTABLISHED|\[OFFLOAD\]/);
      await kernels[0]!.apply(
        planNetwork(
          factsOf({ ...SKETCH, tasks: SKETCH.tasks.filter((row) => row.id !== "echo1111") }, 1),
          settings,
        ),
      );
      expect(await tracked("10.0.1.32")).not.toContain("10.0.1.32");
      expect(await tracked("10.0.1.21")).toContain("10.0.1.21");
      // The caller is told.
      expect(await talk.ask("three")).toMatch(/ECONNRESET|closed/);
      bystander.stop();
      talk.stop();
      await applyAll(SKETCH);
    });

    test("a published port without tasks refuses at once", async () => {
      expect(await connectTimes(outside(), "192.168.7.2", 8081, 1)).toEqual(["ECONNREFUSED"]);
    });

    test("a port in host mode answers on its node only, with the client's address", async () => {
      expect(await connectTimes(outside(), "192.168.7.1", 9000, 1)).toEqual(["lonely11 192.168.7.3"]);
      expect(await connectTimes(outside(), "192.168.7.2", 9000, 1)).toEqual(["ECONNREFUSED"]);
    });

    test("nobody speaks in the name of an address that is not his", async () => {
      const sink = await listenOnUdp(task("vote1111", one), 5000);
      const liar = task("client11", one);
      await hosts[one]!.run(["ip", "address", "add", "10.0.1.99/32", "dev", "lo"], "task-client11");
      await sendOverUdp(liar, "10.0.1.21", 5000, "a lie", "10.0.1.99");
      await sendOverUdp(liar, "10.0.1.21", 5000, "the truth", "10.0.1.31");
      expect(await sink.next()).toBe("the truth");
      await hosts[one]!.run(["ip", "address", "delete", "10.0.1.99/32", "dev", "lo"], "task-client11");
      sink.stop();
    });

    test("the tunnel is for members", async () => {
      const sink = await listenOnUdp(task("vote1111", one), 5000);
      const tunnel =
        "link add fake type vxlan id 4097 local 192.168.7.3 remote 192.168.7.1 dstport 4789".split(" ");
      await hosts[2]!.run(["ip", ...tunnel]);
      await hosts[2]!.run(["ip", "address", "add", "10.0.1.99/24", "dev", "fake"]);
      await hosts[2]!.run(["ip", "link", "set", "fake", "up"]);
      const sandbox = "02:42:0a:00:01:c9";
      await hosts[2]!.run(["ip", "neigh", "add", "10.0.1.21", "lladdr", sandbox, "dev", "fake"]);
      await sendOverUdp(outside(), "10.0.1.21", 5000, "intruder", "10.0.1.99");
      await sendOverUdp(task("client11", one), "10.0.1.21", 5000, "neighbour", "10.0.1.31");
      expect(await sink.next()).toBe("neighbour");
      // And it is the rule that keeps him out, not a mistake of this test.
      await hosts[one]!.run(["nft", "add element ip sh-host peers { 192.168.7.3 }"]);
      await sendOverUdp(outside(), "10.0.1.21", 5000, "intruder", "10.0.1.99");
      expect(await sink.next()).toBe("intruder");
      await hosts[2]!.run(["ip", "link", "delete", "fake"]);
      await kernels[one]!.sweep(planNetwork(factsOf(SKETCH, 1), settings));
      sink.stop();
    });

    test("no task gets into a tunnel by its node's address", async () => {
      const sink = await listenOnUdp(task("vote2222", two), 5000);
      const inside = (command: string) => hosts[one]!.run(["ip", ...command.split(" ")], "task-client11");
      await inside("link add fake type vxlan id 4097 local 172.18.0.31 remote 192.168.7.2 dstport 4789");
      await inside("address add 10.0.1.99/32 dev fake");
      await inside("link set fake up");
      await inside("route add 10.0.1.22/32 dev fake");
      await inside("neigh add 10.0.1.22 lladdr 02:42:0a:00:01:ca dev fake");
      await sendOverUdp(task("client11", one), "10.0.1.22", 5000, "intruder", "10.0.1.99");
      await inside("link delete fake");
      await sendOverUdp(task("client11", one), "10.0.1.22", 5000, "neighbour", "10.0.1.31");
      expect(await sink.next()).toBe("neighbour");
      sink.stop();
    });

    test("a task gets out, by its node's address", async () => {
      const server = await serve(outside(), "world", 7000);
      expect(await connectTimes(task("client11", one), "192.168.7.3", 7000, 1)).toEqual([
        "world 192.168.7.1",
      ]);
      server.stop();
    });

    test("a task's name questions reach the resolver's address on the gateway bridge, with its own address", async () => {
      const resolver = await serve(hosts[0]!.path(), "resolver", 53);
      const asker = await askOverUdp(task("client11", one), "127.0.0.11", 53);
      expect(await asker.ask("?")).toBe("resolver 172.18.0.31");
      expect(await connectTimes(task("client11", one), "127.0.0.11", 53, 1)).toEqual([
        "resolver 172.18.0.31",
      ]);
      asker.stop();
      resolver.stop();
    });

    test("at 127.0.0.11 a task gets names, and nothing else of the host's loopback", async () => {
      const secret = await serve(hosts[one]!.path(), "secret", 5300);
      // The host's kernel takes loopback addresses at this one's leg, for its port in host mode.
      const knock = () => connectTimes(task("lonely11", one), "127.0.0.11", 5300, 1, 500);
      expect((await knock())[0]).not.toContain("secret");
      // And it is the rules that keep it out, not a mistake of this test.
      for (const chain of ["from-task", "input"])
        await hosts[one]!.run(["nft", `flush chain ip sh-host ${chain}`]);
      expect((await knock())[0]).toContain("secret");
      await kernels[one]!.sweep(planNetwork(factsOf(SKETCH, 1), settings));
      secret.stop();
    });

    test("connections outlive other tasks' coming and going, and a new shoald", async () => {
      const talk = await talkOverTcp(task("client11", one), "10.0.1.6", 80);
      expect(await talk.ask("one")).toBe("one");
      const more: ClusterSketch = {
        ...SKETCH,
        tasks: [
          ...SKETCH.tasks,
          { id: "echo2222", node: 1, number: 41, networks: ["front"], service: "echo" },
        ],
      };
      await applyAll(more);
      expect(await talk.ask("two")).toBe("two");
      await applyAll(SKETCH);
      expect(await talk.ask("three")).toBe("three");
      kernels.splice(0, 2, hosts[0]!.kernel(), hosts[1]!.kernel());
      await applyAll(SKETCH);
      expect(await talk.ask("four")).toBe("four");
      talk.stop();
    });
  });
}
