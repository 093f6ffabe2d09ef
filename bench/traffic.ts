import { type ChildProcess, spawn } from "node:child_process";
import { addressOf, docker, type LabRecord, onHost } from "../src/lab/index.ts";
import { execOk } from "../src/sys/index.ts";
import { answerAt, end, type LoadTimes, load } from "./http-load.ts";
import { median } from "./measure.ts";

/**
 * One TCP stream, the median time of one small request after the other, and 1,000 of them a second, client to server. Requests are asked by
 * wrk and answered by HAProxy, ahead of all else that the machine has to do: what is measured is the way between them.
 */
export interface Traffic {
  readonly gbits: number;
  readonly requestUs: number;
  readonly pacedUs: number;
  readonly pacedP99Us: number;
}

/** Straight between two hosts; by the mesh to a task on the host asked, and on another; from container to container. */
export type Way = "direct" | "local" | "remote" | "containers";
export type TrafficTimes = Readonly<Record<Way, Traffic>>;

/** How one way is measured: where the client is, whom it asks, and how far its ports are from the tasks'. */
interface Path {
  readonly from: readonly string[];
  readonly address: string;
  readonly shift: number;
}

const RUNS = 5;
const SECONDS = 2;
const STREAM_PORT = 5201;
const HTTP_PORT = 8090;
/** Short runs of paced requests, in turns: a hiccup of the machine spoils one of them. */
const PACED_RUNS = 15;
const NETWORK = "traffic";

/** All ways, in turns, so that a slow minute of the machine hits all alike. */
export async function trafficTimes(lab: LabRecord, say: (line: string) => void): Promise<TrafficTimes> {
  const published = [STREAM_PORT, HTTP_PORT].flatMap((port) => ["-p", `${port}:${port}`]);
  await docker(lab, "1", "network", "create", "-d", "overlay", NETWORK);
  await serve(lab, "traffic", "--network", NETWORK, ...published);
  const task = await taskOf(lab, "traffic");
  const other = lab.hosts.find((host) => host !== task.host) ?? "1";
  await serve(lab, "caller", "--network", NETWORK, "--constraint", `node.hostname==${lab.name}-${other}`);
  const caller = await taskOf(lab, "caller");
  const servers = [
    ...serversIn(inTask(task)),
    // Other ports than the published ones: these must be met on the host itself.
    ...serversIn(onHost(lab, task.host, []), 100),
  ];
  try {
    const client = onHost(lab, "client", []);
    const paths: Readonly<Record<Way, Path>> = {
      direct: { from: client, address: addressOf(lab, task.host), shift: 100 },
      local: { from: client, address: addressOf(lab, task.host), shift: 0 },
      remote: { from: client, address: addressOf(lab, other), shift: 0 },
      containers: { from: inTask(caller), address: await overlayAddress(lab, task), shift: 0 },
    };
    const times = await inTurns(paths);
    say(JSON.stringify(times));
    return times;
  } finally {
    for (const server of servers) await end(server);
    await docker(lab, "1", "service", "rm", "traffic", "caller");
  }
}

const serve = (lab: LabRecord, name: string, ...words: readonly string[]): Promise<string> =>
  docker(lab, "1", "service", "create", "-q", "--name", name, ...words, "busybox", "sleep", "86400");

async function inTurns(paths: Readonly<Record<Way, Path>>): Promise<TrafficTimes> {
  const ways = Object.keys(paths) as Way[];
  const runs: Record<Way, Unpaced[]> = { direct: [], local: [], remote: [], containers: [] };
  const paced: Record<Way, Paced[]> = { direct: [], local: [], remote: [], containers: [] };
  for (let i = 0; i < RUNS; i++) for (const way of ways) runs[way].push(await measureOnce(paths[way]));
  for (let i = 0; i < PACED_RUNS; i++) for (const way of ways) paced[way].push(await pacedOnce(paths[way]));
  const middle = (way: Way): Traffic => ({
    gbits: median(runs[way].map((t) => t.gbits)),
    requestUs: median(runs[way].map((t) => t.requestUs)),
    pacedUs: median(paced[way].map((t) => t.pacedUs)),
    pacedP99Us: median(paced[way].map((t) => t.pacedP99Us)),
  });
  return {
    direct: middle("direct"),
    local: middle("local"),
    remote: middle("remote"),
    containers: middle("containers"),
  };
}

type Paced = Pick<Traffic, "pacedUs" | "pacedP99Us">;
type Unpaced = Pick<Traffic, "gbits" | "requestUs">;

function serversIn(prefix: readonly string[], shift = 0): ChildProcess[] {
  const [file = "", ...args] = [...prefix, "iperf3", "-s", "-p", String(STREAM_PORT + shift)];
  return [spawn(file, args, { stdio: "ignore" }), answerAt(prefix, HTTP_PORT + shift)];
}

async function measureOnce({ from, address, shift }: Path): Promise<Unpaced> {
  const port = String(STREAM_PORT + shift);
  const words = ["-J", "-c", address, "-p", port, "-t", String(SECONDS)];
  const json = JSON.parse(await execOk([...from, "iperf3", ...words] as [string, ...string[]]));
  const { p50Us } = await ask({ from, address, shift }, SECONDS);
  return { gbits: json.end.sum_received.bits_per_second / 1e9, requestUs: p50Us };
}

async function pacedOnce(path: Path): Promise<Paced> {
  const { p50Us, p99Us } = await ask(path, 1, 1);
  return { pacedUs: p50Us, pacedP99Us: p99Us };
}

/** One connection, one request at a time. */
function ask({ from, address, shift }: Path, seconds: number, everyMs?: number): Promise<LoadTimes> {
  const url = `http://${address}:${HTTP_PORT + shift}/`;
  return load(from, { url, words: ["-c1", `-d${seconds}s`], ...(everyMs !== undefined && { everyMs }) });
}

interface TaskPlace {
  readonly host: string;
  readonly id: string;
  readonly pid: number;
}

const inTask = ({ pid }: TaskPlace): string[] => ["nsenter", `--net=/proc/${pid}/ns/net`, "--"];

async function taskOf(lab: LabRecord, service: string): Promise<TaskPlace> {
  const filter = `label=com.docker.swarm.service.name=${service}`;
  for (const host of lab.hosts) {
    const id = (await docker(lab, host, "ps", "-q", "--filter", filter)).trim();
    if (id === "") continue;
    return { host, id, pid: Number(await docker(lab, host, "inspect", "--format", "{{.State.Pid}}", id)) };
  }
  throw new Error(`the task of service ${service} is on no host`);
}

async function overlayAddress(lab: LabRecord, { host, id }: TaskPlace): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${NETWORK}").IPAddress}}`;
  return (await docker(lab, host, "inspect", "--format", format, id)).trim();
}
