import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { addressOf, docker, type LabRecord, onHost } from "../src/lab/index.ts";
import { execOk } from "../src/sys/index.ts";
import { median } from "./measure.ts";

/** Throughput of one TCP stream and median time of one small request, client to server. */
export interface Traffic {
  readonly gbits: number;
  readonly requestUs: number;
}

export interface TrafficTimes {
  readonly direct: Traffic;
  readonly local: Traffic;
  readonly remote: Traffic;
}

const RUNS = 5;
const SECONDS = 2;
const STREAM_PORT = 5201;
const HTTP_PORT = 8090;

/** From the lab's client: straight to a host, by the mesh to a task on the host asked, and on another. */
export async function trafficTimes(lab: LabRecord, say: (line: string) => void): Promise<TrafficTimes> {
  const ports = ["-p", `${STREAM_PORT}:${STREAM_PORT}`, "-p", `${HTTP_PORT}:${HTTP_PORT}`];
  await docker(
    lab,
    "1",
    "service",
    "create",
    "-q",
    "--name",
    "traffic",
    ...ports,
    "busybox",
    "sleep",
    "86400",
  );
  const task = await taskOf(lab);
  const other = lab.hosts.find((host) => host !== task.host) ?? "1";
  const servers = [
    ...serversIn(["nsenter", `--net=/proc/${task.pid}/ns/net`, "--"]),
    // Other ports than the published ones: these must be met on the host itself.
    ...serversIn(onHost(lab, task.host, []), 100),
  ];
  try {
    const paths = {
      direct: { address: addressOf(lab, task.host), shift: 100 },
      local: { address: addressOf(lab, task.host), shift: 0 },
      remote: { address: addressOf(lab, other), shift: 0 },
    };
    const runs = { direct: [] as Traffic[], local: [] as Traffic[], remote: [] as Traffic[] };
    // Taken in turns, so that a slow minute of the machine hits all alike.
    for (let i = 0; i < RUNS; i++) {
      for (const path of ["direct", "local", "remote"] as const)
        runs[path].push(await measureOnce(lab, paths[path]));
    }
    const middle = (all: readonly Traffic[]): Traffic => ({
      gbits: median(all.map((t) => t.gbits)),
      requestUs: median(all.map((t) => t.requestUs)),
    });
    const times = { direct: middle(runs.direct), local: middle(runs.local), remote: middle(runs.remote) };
    say(JSON.stringify(times));
    return times;
  } finally {
    for (const server of servers) await end(server);
    await docker(lab, "1", "service", "rm", "traffic");
  }
}

function serversIn(prefix: readonly string[], shift = 0): ChildProcess[] {
  const commands = [
    ["iperf3", "-s", "-p", String(STREAM_PORT + shift)],
    [process.execPath, join(import.meta.dirname, "http-server.mjs"), String(HTTP_PORT + shift)],
  ];
  return commands.map((command) => {
    const [file = "", ...args] = [...prefix, ...command];
    return spawn(file, args, { stdio: "ignore" });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function measureOnce(
  lab: LabRecord,
  { address, shift }: { address: string; shift: number },
): Promise<Traffic> {
  const stream = ["iperf3", "-J", "-c", address, "-p", String(STREAM_PORT + shift), "-t", String(SECONDS)];
  const json = JSON.parse(await execOk(onHost(lab, "client", stream)));
  const url = `http://${address}:${HTTP_PORT + shift}/`;
  const text = await execOk(onHost(lab, "client", ["wrk", "-t1", "-c1", `-d${SECONDS}s`, "--latency", url]));
  const [, value = "", unit = ""] = /50%\s+([\d.]+)(us|ms)/.exec(text) ?? [];
  return {
    gbits: json.end.sum_received.bits_per_second / 1e9,
    requestUs: Number(value) * (unit === "ms" ? 1000 : 1),
  };
}

async function taskOf(lab: LabRecord): Promise<{ host: string; pid: number }> {
  for (const host of lab.hosts) {
    const id = (
      await docker(lab, host, "ps", "-q", "--filter", "label=com.docker.swarm.service.name=traffic")
    ).trim();
    if (id === "") continue;
    return { host, pid: Number(await docker(lab, host, "inspect", "--format", "{{.State.Pid}}", id)) };
  }
  throw new Error("the task of service traffic is on no host");
}
