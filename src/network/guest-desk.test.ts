import { beforeEach, describe, expect, test } from "vitest";
import type { GuestFact, NetworkFact } from "../dataplane/index.ts";
import { FakeClock, Fault, silentLog } from "../lib/index.ts";
import type { GuestRefusal, GuestWish } from "../model/index.ts";
import { type ClusterFacts, NO_FACTS } from "./cluster-network.ts";
import { GuestDesk, type GuestLine, type GuestWords } from "./guest-desk.ts";

/* A desk between containers and managers that a test plays. */

let clock: FakeClock;
let desk: GuestDesk;
let said: GuestWords[];
let lost: [string, string, string][];
let objection: string | undefined;
const never = new AbortController().signal;
const line: GuestLine = {
  nodeId: "n1",
  say: (words) => void said.push(words),
  objectionTo: (ids) => (ids.length > 0 ? objection : undefined),
};

beforeEach(() => {
  clock = new FakeClock();
  desk = new GuestDesk({ clock, log: silentLog });
  [said, lost, objection] = [[], [], undefined];
  desk.onLost = (id, ref, { message }) => void lost.push([id, ref, message]);
  desk.open(line);
});

const wish = (id: string, ...refs: string[]): GuestWish => ({
  ...{ id, name: `shell-${id}` },
  networks: refs.map((ref) => ({ ref, aliases: [] })),
});
const network = (id: string): NetworkFact => ({
  ...{ id, name: id.slice(4), vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
  ...{ ingress: false, internal: false },
});
const guest = (id: string, addresses: GuestFact["addresses"]): GuestFact => ({
  ...{ id, nodeId: "n1", addresses, names: {} },
});

/** Facts of networks that the node is on, with these guests. */
function facts(ids: readonly string[], ...guests: GuestFact[]): ClusterFacts {
  const addresses = Object.fromEntries(ids.map((id) => [id, "10.0.1.100"]));
  return {
    ...NO_FACTS,
    ...{ networks: ids.map(network), nodes: [{ id: "n1", dataPathAddress: "192.0.2.1", addresses }], guests },
  };
}

/** The last wish for the container that was said. */
const lastFor = (id: string) => said.flatMap(({ wishes }) => wishes).findLast((each) => each.id === id)!;

function grant(id: string): void {
  const { number, networks } = lastFor(id);
  const places = networks.map(({ ref }) => ({ ref, networkId: `net-${ref}`, name: ref }));
  desk.heard({ id, number, places });
}

function refuse(id: string, refusal: Partial<GuestRefusal> = {}): void {
  const full = { kind: "forbidden", message: "network front not manually attachable", ref: "front" } as const;
  desk.heard({ id, number: lastFor(id).number, places: [], refusal: { ...full, ...refusal } });
}

/** A container that has its place on "front". */
async function settled(id: string, address: string): Promise<void> {
  const placing = desk.place(wish(id, "front"), never);
  grant(id);
  desk.follow(facts(["net-front"], guest(id, { "net-front": address })));
  await placing;
}

/** How a promise stands after all that can happen now has. */
async function standing(promise: Promise<unknown>): Promise<string> {
  await clock.advance(0);
  return Promise.race([
    promise.then(
      () => "done",
      (error: Error) => error.message,
    ),
    Promise.resolve("waits"),
  ]);
}

describe("a wish", () => {
  test("waits for the manager's word, the address, the network and the node's own address", async () => {
    const placing = desk.place(wish("a", "front"), never);
    expect(said).toMatchObject([{ complete: false, wishes: [{ id: "a", networks: [{ ref: "front" }] }] }]);
    desk.follow(facts(["net-front"], guest("a", { "net-front": "10.0.1.7" })));
    expect(await standing(placing)).toBe("waits");
    desk.follow(facts(["net-other"]));
    grant("a");
    expect(await standing(placing)).toBe("waits");
    const whole = facts(["net-front"], guest("a", { "net-front": "10.0.1.7" }));
    desk.follow({ ...whole, nodes: [] });
    expect(await standing(placing)).toBe("waits");
    desk.follow({ ...whole, networks: [] });
    expect(await standing(placing)).toBe("waits");
    desk.follow({ ...whole, guests: [guest("b", { "net-front": "10.0.1.8" })] });
    expect(await standing(placing)).toBe("waits");
    desk.follow(whole);
    expect(await placing).toEqual([{ ref: "front", network: network("net-front"), address: "10.0.1.7" }]);
  });

  test("is not fulfilled by the address of an earlier one", async () => {
    await settled("a", "10.0.1.7");
    const again = { ...wish("a", "front"), networks: [{ ref: "front", aliases: [], address: "10.0.1.9" }] };
    const placing = desk.place(again, never);
    grant("a");
    expect(await standing(placing)).toBe("waits");
    desk.follow(facts(["net-front"], guest("a", { "net-front": "10.0.1.9" })));
    expect(await placing).toMatchObject([{ address: "10.0.1.9" }]);
  });

  test("that is refused fails in the manager's words, and is not said again", async () => {
    const placing = desk.place(wish("a", "front"), never);
    refuse("a");
    await expect(placing).rejects.toMatchObject({
      ...{ kind: "forbidden", message: "network front not manually attachable" },
    });
    expect(said).toHaveLength(1);
    expect(desk.introduction()).toEqual({ complete: true, wishes: [] });
  });

  test("that is refused leaves the one before in force", async () => {
    await settled("a", "10.0.1.7");
    const placing = desk.place(wish("a", "front", "back"), never);
    refuse("a", { ref: "back" });
    await expect(placing).rejects.toThrow();
    expect(desk.introduction().wishes).toMatchObject([{ id: "a", networks: [{ ref: "net-front" }] }]);
    expect(lost).toEqual([]);
  });

  test("that nobody answers fails in Docker's words after half a minute, and is taken back", async () => {
    const placing = desk.place(wish("a", "front"), never);
    const failing = expect(placing).rejects.toMatchObject({
      kind: "timeout",
      message: expect.stringMatching(/^attaching to network failed, .* context deadline exceeded$/),
    });
    await clock.advance(29_000);
    expect(await standing(placing)).toBe("waits");
    await clock.advance(2_000);
    await failing;
    expect(lastFor("a").networks).toEqual([]);
    expect(desk.introduction().wishes).toEqual([]);
  });

  test("that its caller gives up is taken back", async () => {
    const stop = new AbortController();
    const placing = desk.place(wish("a", "front"), stop.signal);
    stop.abort(new Error("no longer"));
    await expect(placing).rejects.toThrow("no longer");
    expect(lastFor("a").networks).toEqual([]);
  });

  test("for a network that this node cannot be on fails at once, and is taken back", async () => {
    objection = "its network is encrypted, and this kernel has no ESP";
    const placing = desk.place(wish("a", "front"), never);
    grant("a");
    await expect(placing).rejects.toMatchObject({ kind: "unsupported", message: objection });
    expect(lastFor("a").networks).toEqual([]);
  });

  test("outside of a cluster is none", async () => {
    desk.close(line);
    await expect(desk.place(wish("a", "front"), never)).rejects.toBeInstanceOf(Fault);
  });

  test("an answer to an earlier one is passed over", async () => {
    const first = desk.place(wish("a", "front"), never);
    const { number } = lastFor("a");
    first.catch(() => undefined);
    const second = desk.place(wish("a", "back"), never);
    desk.heard({ id: "a", number, places: [], refusal: { kind: "forbidden", message: "no", ref: "" } });
    expect(await standing(second)).toBe("waits");
  });
});

describe("another manager", () => {
  test("is told all that is wished, with the addresses in use", async () => {
    await settled("a", "10.0.1.7");
    desk.adopt(wish("b"), { ref: "net-front", aliases: ["www"], used: { address: "10.0.1.8" } });
    void desk.place(wish("c", "front"), never).catch(() => undefined);
    expect(desk.introduction()).toMatchObject({
      complete: true,
      wishes: [
        { id: "a", networks: [{ ref: "net-front", used: { address: "10.0.1.7" } }] },
        { id: "b", networks: [{ ref: "net-front", used: { address: "10.0.1.8" }, aliases: ["www"] }] },
        { id: "c", networks: [{ ref: "front", aliases: [] }] },
      ],
    });
    desk.leave("a");
    expect(lastFor("a").networks).toEqual([]);
    expect(desk.introduction().wishes.map(({ id }) => id)).toEqual(["b", "c"]);
  });

  test("hears of one network less, with the others' addresses", () => {
    desk.adopt(wish("a"), { ref: "net-front", aliases: [], used: { address: "10.0.1.7" } });
    desk.adopt(wish("a"), { ref: "net-back", aliases: [], used: { address: "10.0.2.7" } });
    desk.leave("a", "net-front");
    expect(lastFor("a").networks).toEqual([{ ref: "net-back", aliases: [], used: { address: "10.0.2.7" } }]);
    desk.leave("a", "net-back");
    expect(lastFor("a").networks).toEqual([]);
    expect(desk.introduction().wishes).toEqual([]);
  });

  test("that refuses what is in use takes that network away, and leaves the others", async () => {
    desk.adopt(wish("a"), { ref: "net-front", aliases: [], used: { address: "10.0.1.7" } });
    desk.adopt(wish("a"), { ref: "net-back", aliases: [], used: { address: "10.0.2.7" } });
    said.push(desk.introduction());
    refuse("a", { kind: "not-found", message: "network net-front not found", ref: "net-front" });
    expect(lost).toEqual([["a", "net-front", "network net-front not found"]]);
    expect(lastFor("a").networks).toMatchObject([{ ref: "net-back", used: { address: "10.0.2.7" } }]);
    expect(desk.introduction().wishes).toMatchObject([{ networks: [{ ref: "net-back" }] }]);
  });

  test("that cannot just now is asked again", async () => {
    desk.adopt(wish("a"), { ref: "net-front", aliases: [], used: { address: "10.0.1.7" } });
    said.push(desk.introduction());
    refuse("a", { kind: "unavailable", message: "the store is away", ref: "" });
    const before = said.length;
    await clock.advance(5_000);
    expect(said.slice(before)).toMatchObject([{ complete: false, wishes: [{ id: "a" }] }]);
    expect(lost).toEqual([]);
  });
});

test("a node that left the cluster has nobody on its networks", async () => {
  await settled("a", "10.0.1.7");
  desk.close(line);
  desk.disband();
  expect(lost).toEqual([["a", "", "the node has left the swarm"]]);
  expect(desk.introduction().wishes).toEqual([]);
});
