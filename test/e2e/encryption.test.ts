import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";

/*
 * Encrypted networks by the stock CLI, on whatever kernel there is: with ESP they carry, without it nothing runs on them and the
 * reason is told. What is on the wire is the VM lane's to look at.
 */

const LACK = "this kernel has no ESP with AES-GCM";
const HOSTS = ["1", "2", "3"] as const;

let swarm: TestSwarm;
let hasEsp = false;

beforeAll(async () => {
  swarm = await TestSwarm.up("dark");
  const state = "src 192.0.2.1 dst 192.0.2.9 proto esp spi 0x999 mode transport aead rfc4106(gcm(aes))".split(
    " ",
  );
  const probe = await swarm.exec("1", "ip", "xfrm", "state", "add", ...state, `0x${"b".repeat(40)}`, "128");
  hasEsp = probe.code === 0;
  if (hasEsp) await swarm.exec("1", "ip", "xfrm", "state", "delete", ...state.slice(0, 8));
});
afterAll(() => swarm?.[Symbol.asyncDispose]());

const docker = (...args: string[]) => swarm.docker("1", ...args);
const sleeper = ["busybox", "sleep", "1000"];

test("the options are shown, and no key with them, nor what keys are made of on a disk", async () => {
  await docker(
    "network",
    "create",
    "-d",
    "overlay",
    "-o",
    "encrypted",
    "-o",
    "shoal.encryption.rotation=1s",
    "dark",
  );
  const shown = JSON.parse(await docker("network", "inspect", "--verbose", "dark"));
  expect(shown[0].Options).toMatchObject({ encrypted: "", "shoal.encryption.rotation": "1s" });
  const socket = swarm.hostPaths("1").apiSocket;
  const { stdout: cluster } = await exec(["curl", "-s", "--unix-socket", socket, "http://shoal/swarm"]);
  expect(cluster).toContain("JoinTokens");
  for (const said of [JSON.stringify(shown), cluster]) expect(said).not.toMatch(/secrets|nonce|tunnels/i);
  // etcd's files are among these: the objects' names are seen there, their words are sealed.
  const folders = HOSTS.map((host) => swarm.hostPaths(host).data);
  const filesWith = async (word: string) => (await exec(["grep", "-rlF", "-e", word, ...folders])).stdout;
  expect(await filesWith("/shoal/network/")).toContain("etcd");
  for (const word of ['"tunnels"', '"nonce"', '"inbound"']) expect(await filesWith(word)).toBe("");
});

test("tasks run on it where the kernel can encrypt; elsewhere they wait, and say why", async () => {
  await docker(
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "sealed",
    "--network",
    "dark",
    "--mode",
    "global",
    ...sleeper,
  );
  if (hasEsp) {
    await swarm.replicas("sealed");
  } else {
    await eventually(30_000, "every task says why it waits", async () => {
      const rows = await swarm.ps("sealed", "{{.CurrentState}} {{.Error}}");
      const telling = rows.filter((row) => row.startsWith("Pending") && row.includes(LACK));
      return telling.length === HOSTS.length || Promise.reject(new Error(rows.join("\n")));
    });
    await docker("service", "create", "-d", "-q", "--name", "placed", "--network", "dark", ...sleeper);
    await eventually(30_000, "a task without a node says why", async () => {
      const [row = ""] = await swarm.ps("placed", "{{.CurrentState}} {{.Error}}");
      return row.includes(`no suitable node (encrypted networks not possible on 3 nodes (${LACK}))`);
    });
  }
  // What is not to be encrypted is not held up.
  await docker("network", "create", "-d", "overlay", "plain");
  await swarm.service("open", "--network", "plain", ...sleeper);
});

test("no host has a tunnel in clear for it, and none has given up its own traffic", async () => {
  for (const host of HOSTS) {
    const policies = (await swarm.exec(host, "ip", "xfrm", "policy")).stdout;
    const { stdout } = await swarm.exec(
      host,
      "sh",
      "-c",
      "nft list ruleset | grep -c 'udp dport { 4789, 4790 }'",
    );
    expect([host, policies.includes("dport 4790"), stdout.trim() !== "0"]).toEqual([host, hasEsp, hasEsp]);
  }
});
