import fc from "fast-check";
import { expect, test } from "vitest";
import { AssignmentBook } from "../src/agent/assignment-book.ts";
import { planNetwork } from "../src/dataplane/index.ts";
import { AssignmentFeed } from "../src/manager/index.ts";
import { newWorld, type World, webService } from "../src/manager/world.fake.ts";
import { isTerminal, isWanted, type Service } from "../src/model/index.ts";
import { aNetwork, aNode, aService } from "../src/model/objects.fake.ts";
import { HOST, type Namespace, type NodeNetwork } from "../src/netstate/index.ts";

/** From the cluster's objects to every node's rules, through all the pure folders: what is decided is what is reached. */

const NODES = ["n1", "n2", "n3"];

function dbService(): Service {
  const base = aService("db", { mode: { kind: "replicated", replicas: 2 } });
  const networks = [{ target: "net-back", aliases: [] }];
  return { ...base, spec: { ...base.spec, task: { ...base.spec.task, networks } } };
}

/** A world whose nodes hear of every commit, as through the dispatcher. */
function clusterOf(): { world: World; networkOf: (node: string) => NodeNetwork } {
  const nodes = NODES.map((id, i) => aNode(id, { dataPathAddress: `192.168.7.${i + 1}` }));
  const world = newWorld(nodes, [webService(3), dbService()]);
  world.view.put("network", aNetwork("back"));
  const told = new Map(
    NODES.map((id) => {
      const feed = new AssignmentFeed(id);
      const book = new AssignmentBook();
      book.apply({ complete: true, appliesTo: 0, resultsIn: 1, ...feed.begin(world.view) });
      return [id, { feed, book, sequence: 1 }];
    }),
  );
  world.watch = (changes) => {
    for (const node of told.values()) {
      const diff = node.feed.follow(world.view, changes);
      node.book.apply({
        complete: false,
        appliesTo: node.sequence,
        resultsIn: ++node.sequence,
        ...diff,
      });
    }
  };
  const networkOf = (nodeId: string): NodeNetwork => {
    const book = told.get(nodeId)!.book;
    const self = {
      nodeId,
      dataPathAddress: `192.168.7.${NODES.indexOf(nodeId) + 1}`,
      gatewaySubnet: "172.18.0.0/16",
      dataPathPort: 4789,
    };
    const running = book.tasks().filter((task) => {
      const now = world.view.get("task", task.id);
      return now !== undefined && !isTerminal(now);
    });
    const tasks = running.map((task, i) => ({
      taskId: task.id,
      serviceId: task.serviceId,
      addresses: Object.fromEntries(task.attachments.map((a) => [a.networkId, a.address])),
      gatewayAddress: `172.18.0.${16 + i}`,
      hostPorts: [],
    }));
    return planNetwork({ self, ...book.facts(), tasks }, { tag: "sh" });
  };
  return { world, networkOf };
}

type Step = (world: World) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .nat(5)
    .map(
      (replicas) => (world: World) => world.update((s) => ({ ...s, mode: { kind: "replicated", replicas } })),
    ),
  fc.constant((world: World) =>
    world.update((s) => ({ ...s, task: { ...s.task, forceUpdate: s.task.forceUpdate + 1 } })),
  ),
  fc.record({ id: fc.constantFrom(...NODES), up: fc.boolean(), drain: fc.boolean() }).map(
    ({ id, up, drain }) =>
      (world: World) =>
        world.node(id, up ? "ready" : "down", drain ? "drain" : "active"),
  ),
  fc.record({ ms: fc.integer({ min: 1, max: 9_000 }), failing: fc.nat(5) }).map(
    ({ ms, failing }) =>
      (world: World) =>
        world.run(ms, (t) => (t.slot === failing ? "failed" : "running")),
  ),
);

const history = fc.array(step, { maxLength: 10 });

/** The cluster after it lived through the steps and a quiet second. */
function after(steps: readonly Step[]): ReturnType<typeof clusterOf> {
  const cluster = clusterOf();
  cluster.world.run(1_000);
  for (const act of steps) act(cluster.world);
  cluster.world.run(1_000);
  return cluster;
}

const isUp = (world: World, id: string | undefined): boolean =>
  world.view.get("node", id ?? "")?.status.state === "ready";

/** Addresses that a chain of a sandbox's balancer draws from. */
function drawn(sandbox: Namespace, chain: string): string[] {
  const rules = sandbox.tables.flatMap((t) => t.chains).find((c) => c.name === chain)?.rules ?? [];
  return rules.flatMap((rule) => rule.match(/\d+\.\d+\.\d+\.\d+/g) ?? []).sort();
}

/** The addresses on a network of a service's tasks that take traffic. */
function takers(world: World, serviceId: string, networkId: string): string[] {
  const tasks = world.running().filter((t) => t.serviceId === serviceId && isUp(world, t.nodeId));
  return tasks
    .flatMap((t) => t.attachments.filter((a) => a.networkId === networkId).map((a) => a.address))
    .sort();
}

test("on every node that is up, a VIP leads to exactly the running tasks of its service", () => {
  let seen = 0;
  fc.assert(
    fc.property(history, (steps) => {
      const { world, networkOf } = after(steps);
      for (const id of NODES.filter((node) => isUp(world, node))) {
        const { namespaces } = networkOf(id);
        for (const service of world.view.all("service")) {
          for (const { networkId } of service.endpoint?.vips ?? []) {
            const sandbox = namespaces[`net-${networkId}`];
            if (sandbox === undefined || networkId === "net-ingress") continue;
            const wanted = takers(world, service.id, networkId);
            expect(drawn(sandbox, `vip-${service.id}`)).toEqual(wanted);
            seen += wanted.length;
          }
        }
      }
    }),
    { numRuns: 40 },
  );
  expect(seen, "the histories must leave something running, or this proves nothing").toBeGreaterThan(40);
});

test("every node publishes every port, and leads it to exactly the running tasks", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { world, networkOf } = after(steps);
      const port = world.service().endpoint?.ports[0]?.published;
      for (const id of NODES.filter((node) => isUp(world, node))) {
        const { namespaces } = networkOf(id);
        const published = namespaces[HOST]?.tables.flatMap((t) => t.sets).find((s) => s.name === "published");
        expect(published?.elements).toEqual([`tcp . ${port}`]);
        const ingress = namespaces["net-net-ingress"];
        if (ingress === undefined) throw new Error(`${id} is not on ingress`);
        expect(drawn(ingress, `port-svc-web-tcp-${port}`)).toEqual(takers(world, "svc-web", "net-ingress"));
      }
    }),
    { numRuns: 40 },
  );
});

test("nothing on any node points at a node that is down, and a node is on a network only for its own tasks", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { world, networkOf } = after(steps);
      for (const id of NODES.filter((node) => isUp(world, node))) {
        const { namespaces } = networkOf(id);
        const text = JSON.stringify(namespaces);
        for (const task of world.tasks().filter((t) => !isUp(world, t.nodeId))) {
          for (const { address } of task.attachments) {
            const reused = world
              .tasks()
              .some((t) => isUp(world, t.nodeId) && t.attachments.some((a) => a.address === address));
            if (!reused) expect(text).not.toContain(`"${address}/32"`);
          }
        }
        const own = world.tasks().filter((t) => t.nodeId === id && !isTerminal(t));
        const networks = new Set([
          "net-ingress",
          ...own.flatMap((t) => t.attachments.map((a) => a.networkId)),
        ]);
        const sandboxes = Object.keys(namespaces).filter((name) => name.startsWith("net-"));
        expect(new Set(sandboxes)).toEqual(new Set([...networks].map((n) => `net-${n}`)));
      }
    }),
    { numRuns: 40 },
  );
});

test("a task has a leg and an address on each of its networks and on no other", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { world, networkOf } = after(steps);
      for (const task of world.running().filter((t) => isWanted(t) && isUp(world, t.nodeId))) {
        const sandbox = networkOf(task.nodeId ?? "").namespaces[`task-${task.id}`];
        const overlay = sandbox?.addresses.map((a) => a.address).filter((a) => a.startsWith("10."));
        expect(overlay?.map((a) => a.split("/")[0]).sort()).toEqual(
          task.attachments.map((a) => a.address).sort(),
        );
      }
    }),
    { numRuns: 20 },
  );
});
