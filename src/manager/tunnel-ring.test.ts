import { hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Node, TunnelRing } from "../model/index.ts";
import { aNetwork, aNode, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { keysBetween } from "./tunnel-keys.ts";
import { planRing, ringIsDue, type TunnelNeed, tunnelNeed } from "./tunnel-ring.ts";

const HOUR = 3_600_000;
const PERIOD = 12 * HOUR;

/** Secrets that are told apart at sight. */
function secrets(): () => string {
  let count = 0;
  return () => Buffer.from(`secret ${count++}`.padEnd(32, ".")).toString("base64");
}

const end = (boot: string, lack = ""): Partial<Node> => ({ tunnelEnd: { boot, lack } });
const need = (...members: string[]): TunnelNeed => ({ members, periodMs: PERIOD });

describe("who needs a ring", () => {
  const dark = (options: Record<string, string> = {}) => ({ driverOptions: { encrypted: "", ...options } });
  const on = (...ids: string[]) => ({ attachments: Object.fromEntries(ids.map((id) => [id, "10.0.0.9"])) });
  const nodes = [
    aNode("n2", on("net-dark")),
    aNode("n1", on("net-front", "net-dark")),
    aNode("n3", on("net-front")),
  ];

  test("nobody without encrypted networks; else who is on one of them", () => {
    const networks = [aNetwork("front"), aNetwork("dark", dark())];
    expect(tunnelNeed(viewOf({ node: nodes, network: networks.slice(0, 1) }))).toBeUndefined();
    expect(tunnelNeed(viewOf({ node: nodes, network: networks }))).toEqual(need("n1", "n2"));
  });

  test("epochs are as short as the most hurried network wants", () => {
    const hurried = aNetwork("b", dark({ "shoal.encryption.rotation": "90s" }));
    const odd = aNetwork("c", dark({ "shoal.encryption.rotation": "soon" }));
    expect(tunnelNeed(viewOf({ network: [aNetwork("a", dark()), hurried, odd] }))?.periodMs).toBe(90_000);
  });
});

describe("the ring", () => {
  test("is there while it is needed, and each epoch has another secret", () => {
    const newSecret = secrets();
    const first = planRing(undefined, need("n1"), T0, newSecret)!;
    expect(first).toMatchObject({ epoch: 1, since: T0, members: { n1: { number: 0 } } });
    expect(planRing(first, need("n1"), T0 + PERIOD - 1, newSecret)).toBe(first);
    const second = planRing(first, need("n1"), ringIsDue(first, need("n1")), newSecret)!;
    expect(second).toMatchObject({ epoch: 2, since: T0 + PERIOD });
    expect(second.secrets.slice(0, 2)).toEqual(first.secrets.slice(1));
    expect(new Set([...first.secrets, ...second.secrets]).size).toBe(4);
    expect(planRing(second, undefined, T0 + PERIOD, newSecret)).toBeUndefined();
  });

  test("after days without a leader it goes one epoch on, for the nodes stood still as well", () => {
    const newSecret = secrets();
    const first = planRing(undefined, need(), T0, newSecret)!;
    expect(planRing(first, need(), T0 + 99 * PERIOD, newSecret)).toMatchObject({
      epoch: 2,
      since: T0 + 99 * PERIOD,
    });
  });

  test("a leader whose clock is behind does not wait for the other's time to come", () => {
    const newSecret = secrets();
    const first = planRing(undefined, need(), T0, newSecret)!;
    const back = planRing(first, need(), T0 - 99 * PERIOD, newSecret)!;
    expect(back).toEqual({ ...first, since: T0 - 99 * PERIOD });
  });

  test("numbers are lasting, and free again for others", () => {
    const newSecret = secrets();
    const first = planRing(undefined, need("a", "b", "c"), T0, newSecret)!;
    const numbers = (ring: TunnelRing) =>
      Object.fromEntries(Object.entries(ring.members).map(([id, { number }]) => [id, number]));
    expect(numbers(first)).toEqual({ a: 0, b: 1, c: 2 });
    const second = planRing(first, need("a", "c", "d", "e"), T0, newSecret)!;
    expect(numbers(second)).toEqual({ a: 0, c: 2, d: 1, e: 3 });
  });
});

describe("keys of a pair", () => {
  const ring = planRing(undefined, need("n1", "n2", "n3"), T0, secrets())!;
  const [one, two] = [aNode("n1", end("b1")), aNode("n2", end("b2"))];

  test("what one sends under is what the other takes, in 40 hex digits", () => {
    const [here, there] = [keysBetween(ring, one, two)!, keysBetween(ring, two, one)!];
    expect(here).toMatchObject({ nodeId: "n2" });
    expect(here.inbound).toHaveLength(3);
    expect(here.outbound).toEqual([there.inbound[1], there.inbound[0]]);
    expect(there.outbound).toEqual([here.inbound[1], here.inbound[0]]);
    for (const { key } of [...here.inbound, ...there.inbound]) expect(key).toMatch(/^[0-9a-f]{40}$/);
  });

  test("are HKDF's, of what the docs say", () => {
    const { n1, n2 } = ring.members;
    const info = JSON.stringify(["shoal esp", 1, ["n2", n2!.nonce, "b2"], ["n1", n1!.nonce, "b1"]]);
    const secret = Buffer.from(ring.secrets[1], "base64");
    const key = Buffer.from(hkdfSync("sha256", secret, "", info, 20)).toString("hex");
    expect(keysBetween(ring, one, two)!.inbound[1]!.key).toBe(key);
  });

  test("are others after a boot of one of the two, in both directions", () => {
    const keys = (of: Node) => keysBetween(ring, of, two)!;
    const all = ({ inbound, outbound }: ReturnType<typeof keys>) =>
      [...inbound, ...outbound].map(({ key }) => key);
    const again = all(keys(aNode("n1", end("b1 again"))));
    for (const key of all(keys(one))) expect(again).not.toContain(key);
  });

  test("there are none with itself, with who cannot encrypt or has not said so, and with who is no member", () => {
    expect(keysBetween(ring, one, one)).toBeUndefined();
    expect(keysBetween(ring, one, aNode("n2", end("b2", "this kernel has no IPsec")))).toBeUndefined();
    expect(keysBetween(ring, aNode("n1"), two)).toBeUndefined();
    expect(keysBetween(ring, one, aNode("n9", end("b9")))).toBeUndefined();
  });

  test("a number too large for an SPI has none", () => {
    const member = { number: 2 ** 20, nonce: "x" };
    const crowded = { ...ring, members: { ...ring.members, n2: member } };
    expect(keysBetween(crowded, one, two)).toBeUndefined();
    const last = { ...ring, members: { ...ring.members, n2: { ...member, number: 2 ** 20 - 1 } } };
    expect(keysBetween(last, one, two)!.inbound.every(({ spi }) => spi > 255 && spi < 2 ** 32)).toBe(true);
  });
});

interface Turn {
  readonly passMs: number;
  readonly members: readonly string[];
  readonly boots: readonly string[];
}

const IDS = ["n1", "n2", "n3", "n4"] as const;
const turn: fc.Arbitrary<Turn> = fc.record({
  passMs: fc.constantFrom(-30 * HOUR, 0, 1, HOUR, PERIOD, 50 * HOUR),
  members: fc.subarray([...IDS]),
  boots: fc.subarray([...IDS]),
});

/** A cluster's ring and nodes as they are at one time. */
interface Moment {
  readonly ring: TunnelRing;
  readonly nodes: readonly Node[];
}

const inboundOf = ({ ring, nodes }: Moment, to: string, from: string) =>
  keysBetween(ring, nodes.find(({ id }) => id === to)!, nodes.find(({ id }) => id === from)!)?.inbound ?? [];
const outboundOf = ({ ring, nodes }: Moment, from: string, to: string) =>
  keysBetween(ring, nodes.find(({ id }) => id === from)!, nodes.find(({ id }) => id === to)!)?.outbound ?? [];

/** Two who are told anew by turns, as members they were and are, and with the counters they had. */
function isUnbroken(before: Moment, after: Moment, id: string): boolean {
  const bootAt = ({ nodes }: Moment) => nodes.find((node) => node.id === id)?.tunnelEnd?.boot;
  return (
    before.ring.members[id]?.nonce === after.ring.members[id]?.nonce &&
    bootAt(before) === bootAt(after) &&
    after.ring.members[id] !== undefined
  );
}

const pairs = IDS.flatMap((a) => IDS.filter((b) => a !== b).map((b) => [a, b] as const));

test("whatever happens: nobody is left behind by an epoch, no SPI means two keys, and no key comes back", () => {
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
      const newSecret = secrets();
      let now = T0;
      let boots = 0;
      let nodes: readonly Node[] = IDS.map((id) => aNode(id, end(`boot ${id}`)));
      let before: Moment | undefined;
      /** What was sent under in each pair, and whether it still is. */
      const sent = new Map<string, boolean>();
      for (const { passMs, members, boots: booting } of turns) {
        now += passMs;
        const ring = planRing(before?.ring, need(...members), now, newSecret)!;
        expect(planRing(ring, need(...members), now, newSecret)).toBe(ring);
        expect(ring.epoch - (before?.ring.epoch ?? 0)).toBeOneOf([0, 1]);
        nodes = nodes.map((node) =>
          booting.includes(node.id) ? { ...node, ...end(`boot ${boots++}`) } : node,
        );
        const moment: Moment = { ring, nodes };
        for (const receiver of IDS) {
          const spis = IDS.flatMap((sender) =>
            sender === receiver ? [] : inboundOf(moment, receiver, sender).map(({ spi }) => spi),
          );
          expect(new Set(spis).size).toBe(spis.length);
        }
        const current = new Set<string>();
        for (const [from, to] of pairs) {
          for (const { key } of outboundOf(moment, from, to)) current.add(`${from} ${to} ${key}`);
          if (before === undefined || !isUnbroken(before, moment, from) || !isUnbroken(before, moment, to))
            continue;
          // Either may be told first: what the one sends, now or a moment ago, the other takes, now and a moment ago.
          const [was, is] = [outboundOf(before, from, to)[0], outboundOf(moment, from, to)[0]];
          for (const taken of [inboundOf(before, to, from), inboundOf(moment, to, from)]) {
            expect(taken).toContainEqual(was);
            expect(taken).toContainEqual(is);
          }
        }
        for (const key of current) expect(sent.get(key), `${key} comes back`).not.toBe(false);
        for (const key of sent.keys()) if (!current.has(key)) sent.set(key, false);
        for (const key of current) sent.set(key, true);
        before = moment;
      }
      // A key is of one pair and one direction.
      const keys = [...sent.keys()].map((name) => name.split(" ")[2]);
      expect(new Set(keys).size).toBe(keys.length);
    }),
    { numRuns: 200 },
  );
});
