import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { aContainerInfo, anImage } from "./backends.fake.ts";
import { allRoutes } from "./routes/index.ts";
import { ServedNode } from "./served-node.fake.ts";

const ID = "ab".repeat(32);

async function looking(): Promise<ServedNode> {
  const node = await ServedNode.start(new FakeClock(), { looksOnly: true });
  node.backends.containers.put(aContainerInfo({ id: ID, name: "web" }));
  node.backends.images.put(anImage());
  return node;
}

test("tools that look see containers, images and events, and are refused everything that changes something", async () => {
  await using node = await looking();
  for (const path of ["/containers/json", `/containers/${ID}/json`, "/images/json", "/info", "/system/df"])
    expect([path, (await node.ask("GET", path)).status]).toEqual([path, 200]);
  const changing = allRoutes.filter(({ method }) => method !== "GET" && method !== "HEAD");
  for (const { method, path } of changing) {
    const { status, text } = await node.ask(method, path.replace(":id", "x").replace("*", "x/tag"));
    expect([method, path, status, text]).toEqual([method, path, 403, expect.stringContaining("read-only")]);
  }
});

test.each([
  `/containers/${ID}/archive?path=/etc`,
  `/containers/${ID}/%61rchive?path=/etc`,
  `/v1.44/containers/${ID}/export`,
  "/images/get?names=redis:3.2",
  "/images/redis:3.2/get",
  "/images/redis:3.2/%67et",
  "/swarm/unlockkey",
])("contents are refused: %s", async (path) => {
  await using node = await looking();
  expect((await node.ask("GET", path)).status).toBe(403);
});
