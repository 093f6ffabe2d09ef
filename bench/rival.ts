import { mkdirSync } from "node:fs";
import {
  addressOf,
  hostPaths,
  killDaemon,
  type LabRecord,
  REGISTRY,
  REGISTRY_PORT,
  startDetached,
} from "../src/lab/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { until } from "./measure.ts";

/** Debian's dockerd in place of a lab host's shoald: same namespace, same containerd, same registry. */
export async function startRival(lab: LabRecord, host: string): Promise<Engine> {
  await killDaemon(lab, host, systemClock);
  const { run, data, netns, containerdSocket } = hostPaths(lab.name, host);
  const socket = `${run}/dockerd.sock`;
  mkdirSync(`${data}/docker`, { recursive: true });
  const registry = `${addressOf(lab, REGISTRY)}:${REGISTRY_PORT}`;
  const flags = [
    ["--data-root", `${data}/docker`],
    ["--exec-root", `${run}/docker`],
    ["--pidfile", `${run}/dockerd.pid`],
    ["--host", `unix://${socket}`],
    ["--containerd", containerdSocket],
    ["--registry-mirror", `http://${registry}`],
    ["--insecure-registry", registry],
    ["--log-level", "error"],
  ].flat();
  const argv = ["/usr/sbin/dockerd", ...flags];
  startDetached({ netns, argv, log: `${run}/dockerd.log`, pidFile: `${run}/rival.pid` });
  const engine = new Engine(socket);
  await until(
    "dockerd serves",
    () =>
      engine.get("/info").then(
        () => true,
        () => false,
      ),
    60_000,
  );
  const address = addressOf(lab, host);
  await engine.post("/swarm/init", { ListenAddr: "0.0.0.0:2377", AdvertiseAddr: address });
  return engine;
}
