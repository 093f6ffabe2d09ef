import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../sys/index.ts";
import { aContainerInfo, anImage } from "./backends.fake.ts";
import { ServedNode } from "./served-node.fake.ts";

/*
 * The stock CLI's own words about a node in memory. testdata/docker-<major>.txt holds the whole conversation of a CLI;
 * to record another one make the file, empty, and: npx vitest run --project unit src/api/docker-cli -u
 */

const version = spawnSync("docker", ["--version"], { encoding: "utf8" }).stdout ?? "";
const major = /version (\d+)\./.exec(version)?.[1];
const golden = join(import.meta.dirname, "testdata", `docker-${major}.txt`);

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const ID = "ab".repeat(32);
const STOPPED = "cd".repeat(32);

/** What differs from run to run. */
function redact(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replace(/^(Client|Server)?:?[\s\S]*?(?=\nServer)/, (head) => (/^Client/.test(head) ? "<client>" : head))
    .replace(/\/tmp\/shoal-api-[^/]+\//g, "<folder>/");
}

let node: ServedNode;

/** Commands that change nothing for each other run side by side; the text is in their order. */
async function tell(...commands: readonly string[]): Promise<string> {
  const said = await Promise.all(
    commands.map(async (command) => {
      const { code, stdout, stderr } = await node.docker(...command.split(" "));
      const errors = stderr.replace(/^(?=.)/gm, "! ");
      const end = code === 0 ? "" : `(exit ${code})\n`;
      return `$ docker ${command}\n${redact(stdout)}${redact(errors)}${end}\n`;
    }),
  );
  return said.join("");
}

function furnish({ backends }: ServedNode): void {
  const now = systemClock.now();
  const redis = anImage({ createdAt: now - 30 * DAY });
  backends.images.put(redis);
  backends.images.put(
    anImage({ id: `sha256:${"4".repeat(64)}`, repoTags: [], repoDigests: [], createdAt: now - 40 * DAY }),
  );
  const pulled = anImage({
    id: `sha256:${"7".repeat(64)}`,
    repoTags: ["redis:7"],
    repoDigests: [`redis@sha256:${"8".repeat(64)}`],
    createdAt: now - 3 * DAY,
  });
  const layer = (status: string, current?: number) => ({
    id: "0a0b0c0d0e0f",
    status,
    ...(current !== undefined && { current, total: 100 }),
  });
  const start = { id: "7", status: "Pulling from library/redis" };
  const end = ["Digest: sha256:88", "Status: Downloaded newer image for redis:7"];
  backends.images.publish("docker.io/library/redis:7", {
    image: pulled,
    steps: [
      start,
      layer("Downloading", 50),
      layer("Pull complete"),
      ...end.map((status) => ({ id: "", status })),
    ],
  });
  backends.containers.put(
    aContainerInfo({
      id: ID,
      name: "web.1.x",
      createdAt: now - 5 * MINUTE,
      startedAt: now - 5 * MINUTE,
      labels: { "com.docker.swarm.task.id": "x" },
      mounts: [{ type: "volume", name: "db", source: "/vols/db", target: "/data", readOnly: false }],
      networks: [
        {
          name: "front",
          networkId: "n1",
          address: "10.0.1.3/24",
          gateway: "10.0.1.1",
          mac: "02:42:0a:00:01:03",
        },
      ],
    }),
  );
  backends.containers.put(
    aContainerInfo({
      id: STOPPED,
      name: "web.2.y",
      status: "stopped",
      exitCode: 137,
      createdAt: now - 3 * DAY,
      startedAt: now - 3 * DAY,
      finishedAt: now - 2 * DAY,
    }),
  );
  const line = (stream: "stdout" | "stderr", text: string, at: bigint) =>
    backends.containers.say(ID, {
      at: 1_700_000_000_000_000_000n + at,
      stream,
      line: Buffer.from(`${text}\n`),
    });
  line("stdout", "ready", 1n);
  line("stderr", "low on memory", 2n);
  line("stdout", "bye", 3n);
  const event = { scope: "local" as const, at: now - MINUTE };
  backends.events.publish({
    ...event,
    type: "container",
    action: "start",
    actor: ID,
    attributes: { name: "web.1.x" },
  });
  backends.events.publish({
    ...event,
    type: "volume",
    action: "create",
    actor: "db",
    attributes: { driver: "local" },
  });
}

beforeAll(async () => {
  node = await ServedNode.start(systemClock);
  furnish(node);
});
afterAll(() => node[Symbol.asyncDispose]());

describe.skipIf(major === undefined)("the docker CLI", () => {
  test.runIf(existsSync(golden))(
    `version ${major} says what it always said`,
    async () => {
      const reading = await tell(
        "version",
        "info",
        "ps",
        "ps -a",
        "ps -a --no-trunc --filter exited=137 --format {{.ID}}",
        "ps -q --filter status=exited --filter name=web",
        "ps --filter nonsense=1",
        "logs web.1.x",
        "logs -t -n 1 abab",
        "logs nowhere",
        "inspect web.1.x --format {{.State.Status}}:{{.NetworkSettings.Networks.front.IPAddress}}:{{.Config.Cmd}}",
        "inspect web.1.x --format {{.Config.Env}}",
        "inspect nowhere",
        "images",
        "images -a -q --filter dangling=true",
        "images redis:*",
      );
      const pulling = await tell("pull redis:7", "pull nowhere/at/all");
      const tagging = await tell("tag redis:7 mine/redis");
      const tagged = await tell(
        "images mine/redis --format {{.Repository}}:{{.Tag}}",
        "history redis:7 --format {{.ID}}:{{.CreatedBy}}:{{.Size}}",
      );
      const removing = await tell("rmi mine/redis:latest redis:7", "rmi nowhere");
      const making = (await tell("volume create --label a=b db")) + (await tell("volume create other"));
      const volumes = await tell("volume ls", "volume ls -q --filter dangling=true", "volume inspect db");
      const gone = (await tell("volume rm other")) + (await tell("volume rm other"));
      const byHand = [
        "run -d --name hand -p 8080:6379 -v db:/data redis:3.2 redis-server",
        "ps -a --filter name=hand --format {{.Names}}:{{.State}}",
        "inspect hand --format {{.HostConfig.PortBindings}}:{{.HostConfig.Binds}}",
        "stop hand",
        "rm hand",
      ];
      const hand: string[] = [];
      for (const command of byHand) hand.push(await tell(command));
      const rest = await tell(
        "events --since 10m --until 1s",
        "events --since 10m --until 1s --filter type=volume",
        "rm web.1.x",
        "exec web.1.x fail 3",
        "system df",
        "service ls",
      );
      const all = [reading, pulling, tagging, tagged, removing, making, volumes, gone, ...hand, rest];
      await expect(all.join("")).toMatchFileSnapshot(golden);
    },
    60_000,
  );

  test("follows a log until it ends, and events until it leaves", async () => {
    const following = node.docker("logs", "-f", "-n", "0", "web.1.x");
    while (node.backends.containers.followersOf(ID) === 0)
      await new Promise((resolve) => setImmediate(resolve));
    node.backends.containers.say(ID, {
      at: 1_800_000_000_000_000_000n,
      stream: "stdout",
      line: Buffer.from("new\n"),
    });
    node.backends.containers.exit(ID);
    expect(await following).toEqual({ code: 0, stdout: "new\n", stderr: "" });

    const until = (systemClock.now() + 700) / 1000;
    const listening = node.docker("events", "--until", String(until), "--format", "{{.Action}}");
    while (node.backends.events.listeners === 0) await new Promise((resolve) => setImmediate(resolve));
    const event = {
      type: "service",
      scope: "swarm",
      actor: "s1",
      attributes: {},
      at: systemClock.now(),
    } as const;
    node.backends.events.publish({ ...event, action: "update" });
    expect(await listening).toEqual({ code: 0, stdout: "update\n", stderr: "" });
    expect(node.backends.events.listeners).toBe(0);
  }, 20_000);
});
