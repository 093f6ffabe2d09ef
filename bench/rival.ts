import { mkdirSync, writeFileSync } from "node:fs";
import {
  addressOf,
  hostPaths,
  killDaemon,
  type LabRecord,
  REGISTRY,
  REGISTRY_PORT,
  startDetached,
} from "../src/lab/index.ts";
import { execOk, systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { until } from "./measure.ts";

/** Debian's dockerd in place of a lab host's shoald, a swarm of its own. */
export async function startRival(lab: LabRecord, host: string): Promise<Engine> {
  const engine = await startDockerd(lab, host);
  const address = addressOf(lab, host);
  await engine.post("/swarm/init", { ListenAddr: "0.0.0.0:2377", AdvertiseAddr: address });
  return engine;
}

/** Debian's dockerd in place of a lab host's shoald: same namespace, containerd and registry, a hostname like a lab's. */
export async function startDockerd(
  lab: LabRecord,
  host: string,
  settings: readonly string[] = [],
): Promise<Engine> {
  await killDaemon(lab, host, systemClock);
  const { run, data, netns, containerdSocket } = hostPaths(lab.name, host);
  const registry = `${addressOf(lab, REGISTRY)}:${REGISTRY_PORT}`;
  const flags = ["--registry-mirror", `http://${registry}`, "--insecure-registry", registry, ...settings];
  const place = { netns, run, data: `${data}/docker`, containerdSocket, hostname: `${lab.name}-${host}` };
  return await runDockerd(place, flags);
}

/** Where a dockerd runs: its namespace and hostname, its containerd, and folders of its own. */
export interface DockerdPlace {
  readonly netns: string;
  readonly run: string;
  readonly data: string;
  readonly containerdSocket: string;
  readonly hostname: string;
}

/** Starts a dockerd, and waits until it answers. Its process's number is in `rival.pid` of its `run` folder. */
export async function runDockerd(
  { netns, run, data, containerdSocket, hostname }: DockerdPlace,
  settings: readonly string[],
  patienceMs = 60_000,
): Promise<Engine> {
  const socket = `${run}/dockerd.sock`;
  mkdirSync(data, { recursive: true });
  const flags = [
    ["--data-root", data],
    ["--exec-root", `${run}/docker`],
    ["--pidfile", `${run}/dockerd.pid`],
    ["--host", `unix://${socket}`],
    ["--containerd", containerdSocket],
    ["--log-level", "error"],
  ].flat();
  const uts = await namedMachine(`${run}/uts`, hostname);
  const argv = ["nsenter", `--uts=${uts}`, "--", "/usr/sbin/dockerd", ...flags, ...settings];
  startDetached({ netns, argv, log: `${run}/dockerd.log`, pidFile: `${run}/rival.pid` });
  const engine = new Engine(socket);
  const serves = () =>
    engine.get("/info").then(
      () => true,
      () => false,
    );
  await until("dockerd serves", serves, patienceMs);
  return engine;
}

/** A UTS namespace with a hostname, pinned at a path: a node of Docker's is called as its machine is. */
async function namedMachine(path: string, hostname: string): Promise<string> {
  writeFileSync(path, "");
  await execOk(["unshare", `--uts=${path}`, "--", "hostname", hostname]);
  return path;
}
