import { cpus } from "node:os";
import { join } from "node:path";
import { preparedRegistry } from "../scripts/images.ts";
import {
  addressOf,
  docker,
  hostPaths,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
} from "../src/lab/index.ts";
import { execOk, systemClock } from "../src/sys/index.ts";
import { type DeployTimes, deployTimes } from "./deploy.ts";
import { Engine } from "./engine.ts";
import { printTable, processesWith, type Row, residentMib } from "./measure.ts";
import { startRival } from "./rival.ts";
import { type TrafficTimes, trafficTimes } from "./traffic.ts";

/**
 * `npm run bench` (`-- --traffic`: traffic alone): one table against Docker's own Swarm (Debian's dockerd) in the same run on the same
 * machine.
 */

const NAME = "bench";
const RIVAL = "Docker Swarm";
const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);

interface Figures {
  readonly ours: DeployTimes;
  readonly theirs: DeployTimes;
  readonly memory: { readonly ours: number; readonly theirs: number };
  readonly traffic: TrafficTimes;
}

async function measure(lab: LabRecord): Promise<Figures> {
  await docker(lab, "1", "swarm", "init", "--advertise-addr", addressOf(lab, "1"));
  const rival = await startRival(lab, "4");
  const shoal = new Engine(hostPaths(lab.name, "1").apiSocket);
  say("Docker Swarm");
  const theirs = await deployTimes(rival, say);
  say("Shoal");
  const ours = await deployTimes(shoal, say);
  const memory = { ours: memoryOf(lab, "1", ["shoald", "etcd"]), theirs: memoryOf(lab, "4", ["dockerd"]) };
  await endRival(lab);
  const token = (await docker(lab, "1", "swarm", "join-token", "-q", "worker")).trim();
  for (const host of ["2", "3"]) {
    await docker(lab, host, "swarm", "join", "--token", token, `${addressOf(lab, "1")}:2377`);
  }
  return { ours, theirs, memory, traffic: await trafficTimes({ ...lab, hosts: ["1", "2", "3"] }, say) };
}

async function measureTraffic(lab: LabRecord): Promise<TrafficTimes> {
  await labSwarm(lab);
  return trafficTimes(lab, say);
}

/** Daemons of a host by the programs' names; containerd and its shims are the same on both sides. */
function memoryOf(lab: LabRecord, host: string, programs: readonly string[]): number {
  const { run, data } = hostPaths(lab.name, host);
  const ofHost = [...new Set([`${run}/`, `${data}/`].flatMap(processesWith))];
  const marks: Readonly<Record<string, string>> = {
    shoald: "daemon/main.js",
    etcd: "etcd --name",
    dockerd: "dockerd --data-root",
  };
  const wanted = programs.flatMap((program) => processesWith(marks[program] ?? program));
  return residentMib(ofHost.filter((pid) => wanted.includes(pid)));
}

/** The rival must not sit on the processors while traffic is measured. */
async function endRival(lab: LabRecord): Promise<void> {
  const { run } = hostPaths(lab.name, "4");
  for (const pid of processesWith(`${run}/dockerd.pid`)) process.kill(pid, "SIGTERM");
}

function rowsOf({ ours, theirs, memory, traffic }: Figures): Row[] {
  return [
    {
      what: "service create (overlay) until running",
      unit: "ms",
      ours: ours.createMs,
      other: theirs.createMs,
      than: RIVAL,
    },
    {
      what: "scale 3 to 50 until all run",
      unit: "ms",
      ours: ours.scaleMs,
      other: theirs.scaleMs,
      than: RIVAL,
    },
    {
      what: "service rm of 50 until no process is left",
      unit: "ms",
      ours: ours.removeMs,
      other: theirs.removeMs,
      than: RIVAL,
    },
    {
      what: "resident memory of a manager's daemons",
      unit: "MiB",
      ours: memory.ours,
      other: memory.theirs,
      than: RIVAL,
    },
    ...trafficRows(traffic),
  ];
}

/** Every way against the straight one. */
function trafficRows({ direct, ...ways }: TrafficTimes): Row[] {
  const than = "straight between two hosts";
  const names = {
    local: "mesh to a local task",
    remote: "mesh to a remote task",
    containers: "container to container on two hosts",
  };
  const kinds = [
    ["one TCP stream", "Gbit/s", "gbits"],
    ["one small request after the other, p50", "µs", "requestUs"],
    ["1,000 small requests a second, p50", "µs", "pacedUs"],
    ["1,000 small requests a second, p99", "µs", "pacedP99Us"],
  ] as const;
  return kinds.flatMap(([kind, unit, field]) =>
    (["local", "remote", "containers"] as const).map((way) => ({
      ...{ what: `${kind}, ${names[way]}`, unit, than },
      ours: ways[way][field],
      other: direct[field],
    })),
  );
}

async function main(): Promise<void> {
  const images = await preparedRegistry(say);
  const isTrafficOnly = process.argv.includes("--traffic");
  const hosts = isTrafficOnly ? 3 : 4;
  const lab = newLab({ name: NAME, hosts, images, uplink: false, settings: {} });
  await labUp(lab, parts);
  try {
    const rows = isTrafficOnly ? trafficRows(await measureTraffic(lab)) : rowsOf(await measure(lab));
    const kernel = (await execOk(["uname", "-r"])).trim();
    process.stdout.write(
      `${cpus().length} processors, kernel ${kernel}, Node ${process.version}; medians\n\n`,
    );
    process.stdout.write(printTable(rows));
  } finally {
    await labDown(lab, systemClock);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
