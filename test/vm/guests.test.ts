import { afterAll, beforeAll, expect, test } from "vitest";
import { PlayedCluster, type PlayedNode } from "../support/played-cluster.ts";
import { connectTimes, serve, type Talk } from "../support/traffic.ts";
import { until } from "../support/until.ts";
import { countWire, heardBy } from "../support/wire-counters.ts";

/* Containers made by hand on an encrypted overlay: their nodes get each other's keys for as long as there are any. */

let cluster: PlayedCluster;
const servers: Talk[] = [];

beforeAll(async () => {
  cluster = await PlayedCluster.open();
});

afterAll(async () => {
  for (const server of servers) server.stop();
  await cluster.close();
});

const wish = (digit: string) => ({
  ...{ containerId: digit.repeat(64), name: `shell-${digit}`, ports: [] },
  networks: [{ ref: "dark", aliases: [] }],
});
const keysOf = (node: PlayedNode) => node.applier.facts().encryption?.length ?? 0;

test("they talk, the wire has ESP only, and the keys go with the last of them", async () => {
  const [one, two] = cluster.nodes as [PlayedNode, PlayedNode];
  await countWire(two.host);
  const [a, b] = [await one.attach(wish("a")), await two.attach(wish("b"))];
  await until(() => keysOf(one) === 1 && keysOf(two) === 1, 60_000);
  servers.push(await serve(b.netns, "b", 80));
  const addressOf = (place: typeof a) => place.endpoints[0]!.address.split("/")[0]!;
  await until(
    async () => (await connectTimes(a.netns, addressOf(b), 80, 1, 2_000))[0] === `b ${addressOf(a)}`,
  );
  const heard = await heardBy(two.host);
  expect(heard.sealed).toBeGreaterThan(3);
  expect(heard.clear).toBe(0);
  await one.sandboxes.detach("a".repeat(64));
  await until(() => keysOf(two) === 0, 60_000);
});
