import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { NO_DOOR } from "../agent/agent.fake.ts";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import { readConfig } from "./config.ts";
import { EventHub } from "./event-hub.ts";
import { Membership } from "./membership.ts";
import { makeNodeNetwork } from "./node-network.ts";
import { NodeStateFile } from "./node-state.ts";

/** A node that remembers a swarm which it cannot go back to: its certificate is gone. */
async function strandedNode(): Promise<{ membership: Membership; clock: FakeClock; file: NodeStateFile }> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-member-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new FakeClock();
  const images = new FakeImages();
  const file = new NodeStateFile(folder);
  file.save({
    ...{ nodeId: "n1", clusterId: "c1", role: "manager", advertiseAddress: "192.0.2.1" },
    ...{ dataPathAddress: "192.0.2.1", dataPathPort: 4789, listenAddress: "127.0.0.1:0", managers: [] },
  });
  const config = readConfig(["--data-root", folder, "--exec-root", folder]);
  const kernel = new FakeKernel();
  const network = await makeNodeNetwork({
    ...{ config, kernel, waitsFor: ["cluster"], netnsDir: "/netns" },
    ...{ clock, random: seededRandom(6), log: silentLog },
  });
  const membership = new Membership({
    ...{ config, version: "0", netnsDir: "/netns", images, kernel, network, events: new EventHub(clock) },
    ...{ containers: new FakeContainers({ images, clock }), looks: NO_DOOR },
    ...{ clock, random: seededRandom(5), log: silentLog },
  });
  const stop = new AbortController();
  const running = membership.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await clock.advance(5_000);
    await running;
  });
  await clock.advance(10_000);
  return { membership, clock, file };
}

test("a node that cannot go back to its swarm says why, and sends managers' commands away", async () => {
  const { membership } = await strandedNode();
  expect(membership.state()).toMatchObject({ state: "error", nodeId: "n1", isManager: false });
  expect(membership.state().error).toContain("certificate is missing");
  expect(() => membership.manager()).toThrow("Manager is being prepared or has trouble connecting");
});

test("it can still leave, and is then in no swarm", async () => {
  const { membership, file } = await strandedNode();
  await expect(membership.leave(false)).rejects.toThrow("Use `--force` to ignore this message");
  await membership.leave(true);
  expect(membership.state()).toMatchObject({ state: "inactive", nodeId: "", error: "" });
  expect(existsSync(file.folder)).toBe(false);
  await expect(membership.leave(true)).rejects.toThrow("This node is not part of a swarm");
});
