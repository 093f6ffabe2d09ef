import type { Clock } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";
import { releaseSubnet } from "./claims.ts";
import { type HostParts, killHost, startHost, startRegistry } from "./host.ts";
import { plugHost, plugSwitch, unplugHost, unplugSwitch } from "./links.ts";
import { hostPaths, labPaths } from "./paths.ts";
import { forget, processTree, signalAll, waitUntil } from "./processes.ts";
import { addressOf, CLIENT, type LabRecord, REGISTRY, swarmHost } from "./record.ts";

/**
 * Brings a new lab up: switch, client, registry if wanted, hosts. When a part fails, or the parts' signal aborts,
 * all that was made goes away again, the lab's name and subnet too.
 */
export async function labUp(lab: LabRecord, parts: HostParts): Promise<void> {
  try {
    await plugSwitch(lab);
    await plugHost(lab, CLIENT);
    await startRegistry(lab, parts);
    await all(lab.hosts.map((host) => startHost(lab, host, parts)));
  } catch (error) {
    await labDown(lab, parts.clock);
    throw error;
  }
}

/** As Promise.all, but nothing is still being made when it rejects. */
async function all(works: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Makes a swarm of the lab's hosts with the stock docker CLI: host 1 begins, the others join as workers. */
export async function labSwarm(lab: LabRecord, signal?: AbortSignal): Promise<void> {
  const [first = "1", ...others] = lab.hosts;
  const on = (host: string, ...args: string[]) =>
    execOk(["docker", ...args], {
      env: { ...process.env, ...dockerEnv(lab, host) },
      ...(signal && { signal }),
    });
  await on(first, "swarm", "init", "--advertise-addr", addressOf(lab, first));
  const token = (await on(first, "swarm", "join-token", "-q", "worker")).trim();
  const manager = `${addressOf(lab, first)}:2377`;
  await all(
    others.map((host) =>
      on(host, "swarm", "join", "--advertise-addr", addressOf(lab, host), "--token", token, manager),
    ),
  );
}

/** Takes a lab away: processes, namespaces, mounts, files, its name and subnet. Safe to run on half a lab. */
export async function labDown(lab: LabRecord, clock: Clock): Promise<void> {
  for (const host of lab.hosts) await killHost(lab, host, clock);
  const { run, state } = labPaths(lab.name);
  await waitUntil(clock, 10_000, `cannot take lab ${lab.name} down: some processes do not end`, () => {
    const left = processTree([`${run}/`, `${state}/`]);
    signalAll(left, "SIGKILL");
    return left.length === 0;
  });
  for (const host of [CLIENT, REGISTRY]) await unplugHost(lab, host);
  await unplugSwitch(lab);
  forget(run);
  forget(state);
  releaseSubnet(lab);
}

/** The environment that points the docker CLI at a host. */
export function dockerEnv(lab: LabRecord, host: string): { DOCKER_HOST: string } {
  return { DOCKER_HOST: `unix://${hostPaths(lab.name, swarmHost(lab, host)).apiSocket}` };
}

/** Runs the docker CLI against a host; its standard output. Fault with what it printed when it fails. */
export function docker(lab: LabRecord, host: string, ...args: string[]): Promise<string> {
  return execOk(["docker", ...args], { env: { ...process.env, ...dockerEnv(lab, host) } });
}

/** The argument list that runs a command on a host. */
export function onHost(lab: LabRecord, host: string, argv: readonly string[]): [string, ...string[]] {
  addressOf(lab, host);
  return ["nsenter", `--net=${hostPaths(lab.name, host).netns}`, "--", ...argv];
}
