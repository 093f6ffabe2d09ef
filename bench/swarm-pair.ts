import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { inside, openNetns } from "../src/kernel/netns.ts";
import { startDetached, unmountUnder } from "../src/lab/index.ts";
import { execOk } from "../src/sys/index.ts";
import type { TestHost } from "../test/support/netns.ts";
import type { Engine } from "./engine.ts";
import { processesWith, until } from "./measure.ts";
import { runDockerd } from "./rival.ts";

/**
 * Docker's own Swarm on two hosts that are network namespaces: Debian's dockerd and containerd on each, the first a manager, the second a
 * worker with the only task of a published service. For machines whose kernel has IPVS: without it the routing mesh of Swarm is dead.
 */
export interface SwarmPair {
  /** The network namespace of the service's task. */
  readonly task: string;
  /** Stops the daemons where they are: what they told the kernel works on, and they take no time from it. */
  freeze(): void;
  dispose(): Promise<void>;
}

/** Everything is in memory (/run): dockerd's overlay cannot stand on another one, which a guest's root is. */
const ROOT = "/run/shoal-swarm-";
const IMAGE = "idle";
/** An emulated processor is slow, and dockerd starts some hundred programs before a task runs. */
const PATIENCE_MS = 400_000;

/** What dockerd and iptables want of the kernel; not all of it is loaded for them when they are in a namespace. */
const MODULES = [
  ["ip_vs", "ip_vs_rr", "xt_ipvs", "vxlan", "br_netfilter", "nft_compat", "nft_chain_nat"],
  ["xt_nat", "xt_addrtype", "xt_mark", "xt_MASQUERADE", "xt_REDIRECT", "xt_conntrack", "xt_tcpudp"],
].flat();

interface Node {
  readonly engine: Engine;
  readonly address: string;
  readonly run: string;
}

export async function startSwarmPair(
  hosts: readonly [TestHost, TestHost],
  addresses: readonly [string, string],
  port: number,
  say: (line: string) => void,
): Promise<SwarmPair> {
  await execOk(["modprobe", "-a", ...MODULES]);
  const root = mkdtempSync(ROOT);
  const image = await idleImage(root);
  const nodes: Node[] = [];
  for (const [i, host] of hosts.entries()) {
    nodes.push(
      await startNode(`${root}/${i + 1}`, host, {
        hostname: `swarm-${i + 1}`,
        address: addresses[i] ?? "",
        image,
      }),
    );
    say(`dockerd ${i + 1} is up`);
  }
  await makeSwarm(nodes);
  say("a swarm of two");
  const pid = await publish(nodes, port);
  say("its task runs");
  return {
    task: `/proc/${pid}/ns/net`,
    freeze: () => signalUnder(root, "SIGSTOP"),
    async dispose() {
      signalUnder(root, "SIGKILL");
      process.kill(pid, "SIGKILL");
      await patiently("daemons end", async () => processesWith(`${root}/`).length === 0);
      await unmountUnder(root);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** An image of busybox alone, as a tar of its root. */
async function idleImage(root: string): Promise<string> {
  mkdirSync(`${root}/image/bin`, { recursive: true });
  copyFileSync("/bin/busybox", `${root}/image/bin/busybox`);
  chmodSync(`${root}/image/bin/busybox`, 0o755);
  symlinkSync("busybox", `${root}/image/bin/sleep`);
  await execOk(["tar", "-C", `${root}/image`, "-cf", `${root}/image.tar`, "bin"]);
  return `${root}/image.tar`;
}

interface NodeWords {
  readonly hostname: string;
  readonly address: string;
  readonly image: string;
}

async function startNode(
  run: string,
  host: TestHost,
  { hostname, address, image }: NodeWords,
): Promise<Node> {
  mkdirSync(run, { recursive: true });
  const containerdSocket = `${run}/containerd.sock`;
  // A containerd that dockerd starts itself has 15 s to come up, which is too little here.
  writeFileSync(`${run}/containerd.toml`, containerdConfig(run));
  const argv = ["containerd", "--config", `${run}/containerd.toml`, "--address", containerdSocket];
  startDetached({ netns: host.path(), argv, log: `${run}/containerd.log`, pidFile: `${run}/containerd.pid` });
  await patiently("containerd serves", async () => existsSync(containerdSocket));
  const place = { netns: host.path(), run, data: `${run}/data`, containerdSocket, hostname };
  const engine = await runDockerd(place, ["--bridge", "none"], PATIENCE_MS);
  const upload = [
    "-sS",
    "-f",
    "--unix-socket",
    `${run}/dockerd.sock`,
    "-H",
    "Content-Type: application/x-tar",
    "--data-binary",
    `@${image}`,
  ];
  await execOk(["curl", ...upload, `http://docker/images/create?fromSrc=-&repo=${IMAGE}&tag=latest`]);
  return { engine, address, run };
}

const containerdConfig = (run: string): string =>
  [
    "version = 2",
    `root = "${run}/containerd-root"`,
    `state = "${run}/containerd"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]',
    "",
  ].join("\n");

async function makeSwarm([manager, worker]: readonly Node[]): Promise<void> {
  if (manager === undefined || worker === undefined) throw new Error("two nodes are needed");
  const listen = { ListenAddr: "0.0.0.0:2377" };
  // With the default of 5 s a slow node counts as down, and its task is given to another.
  const Spec = { Dispatcher: { HeartbeatPeriod: 60e9 } };
  await manager.engine.post("/swarm/init", { ...listen, AdvertiseAddr: manager.address, Spec });
  const { JoinTokens } = await manager.engine.get<{ JoinTokens: { Worker: string } }>("/swarm");
  await worker.engine.post("/swarm/join", {
    ...listen,
    AdvertiseAddr: worker.address,
    RemoteAddrs: [`${manager.address}:2377`],
    JoinToken: JoinTokens.Worker,
  });
  for (const { run } of [manager, worker])
    await patiently("the ingress network is there", async () => existsSync(sandboxOf(run)));
}

const sandboxOf = (run: string): string => join(run, "docker/netns/ingress_sbox");

/** Publishes a port of one task on the worker, and waits until both nodes balance to it. The task's namespace. */
async function publish([manager, worker]: readonly Node[], port: number): Promise<number> {
  if (manager === undefined || worker === undefined) throw new Error("two nodes are needed");
  await manager.engine.post("/services/create", {
    Name: "web",
    TaskTemplate: {
      ContainerSpec: { Image: `${IMAGE}:latest`, Command: ["/bin/sleep", "86400"] },
      Placement: { Constraints: ["node.role==worker"] },
    },
    Mode: { Replicated: { Replicas: 1 } },
    EndpointSpec: { Ports: [{ Protocol: "tcp", PublishedPort: port, TargetPort: port }] },
  });
  let pid = 0;
  const runs = async () => {
    pid = await firstPid(worker.engine);
    return pid > 0;
  };
  await patiently("the task runs", runs).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${await manager.engine.text("/tasks")}`);
  });
  for (const { run } of [manager, worker]) {
    await patiently("IPVS has the task", async () => hasDestination(run));
    // A new namespace has forwarding as the machine's first one has it, and there dockerd, in a namespace itself, did not turn it on.
    await execOk(["nsenter", `--net=${sandboxOf(run)}`, "--", "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  }
  return pid;
}

const patiently = (what: string, done: () => Promise<boolean>): Promise<void> =>
  until(what, done, PATIENCE_MS, 500);

/** The first process of an engine's only container; 0 when none runs. */
async function firstPid(engine: Engine): Promise<number> {
  const [container] = await engine.get<{ Id: string }[]>("/containers/json");
  if (container === undefined) return 0;
  const told = await engine.get<{ State: { Pid: number } }>(`/containers/${container.Id}/json`);
  return told.State.Pid;
}

/** The kernel's own list: a line "  -> address:port …" for each destination, and one such line in its head. */
function hasDestination(run: string): boolean {
  const text = inside(openNetns(sandboxOf(run)), () => readFileSync("/proc/thread-self/net/ip_vs", "utf8"));
  return text.split("\n").some((line) => /^ {2}-> [0-9A-F]{8}:/.test(line));
}

function signalUnder(root: string, signal: NodeJS.Signals): void {
  for (const pid of processesWith(`${root}/`)) process.kill(pid, signal);
}
