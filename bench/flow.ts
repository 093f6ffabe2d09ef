import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type NetworkFacts, netnsNameOf, planNetwork } from "../src/dataplane/index.ts";
import { sandboxNameOf } from "../src/dataplane/names.ts";
import { execOk } from "../src/sys/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../test/support/netns.ts";
import { self } from "./crowd.ts";
import { median } from "./measure.ts";

/**
 * What flow tables would give the mesh, on a kernel that has them: `npm run vm -- bash -c 'modprobe -a nft_flow_offload nf_flow_table
 * nf_flow_table_inet veth vxlan bridge nft_numgen nft_nat nft_fib_ipv4 nft_reject_ipv4; npx tsx bench/flow.ts'`. One TCP stream from another
 * host by a published port to a task, with a flow table in the host's namespace and in the ingress sandbox, and without.
 */

const RUNS = Number(process.env.RUNS ?? 3);
const SECONDS = 3;
const PORT = 5201;
const DIRECT = 5301;

const address = "10.0.0.10";
const addresses = { ing: address };
const task = { taskId: "task0", serviceId: "s0", addresses };
const facts: NetworkFacts = {
  self,
  networks: [
    {
      ...{ id: "ing", name: "ingress", vni: 4096, subnet: "10.0.0.0/24", gateway: "10.0.0.1" },
      ...{ mtu: 1450, ingress: true, internal: false },
    },
  ],
  nodes: [{ id: self.nodeId, dataPathAddress: self.dataPathAddress, addresses: { ing: "10.0.0.2" } }],
  services: [
    {
      ...{ id: "s0", name: "stream", vips: { ing: "10.0.0.9" }, aliases: {} },
      ports: [{ protocol: "tcp", published: PORT, target: PORT }],
    },
  ],
  endpoints: [{ ...task, nodeId: self.nodeId, name: "stream.1" }],
  attachments: [{ taskId: task.taskId, nodeId: self.nodeId, addresses }],
  tasks: [{ ...task, gatewayAddress: "172.18.0.16", hostPorts: [] }],
};

/** Where the packets of a stream are forwarded, and between which devices. */
const FORWARDERS: readonly { readonly pinned?: string; readonly devices: string }[] = [
  { devices: '"eth0", "sh-mesh"' },
  { pinned: sandboxNameOf("ing"), devices: '"sh-host", "sh-ttask0"' },
];

const flowTable = (devices: string): string => `table ip fast {
  flowtable ways {
    hook ingress priority filter; devices = { ${devices} };
  }
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    ct state established flow add @ways
  }
}`;

async function setFlow(host: TestHost, on: boolean): Promise<void> {
  for (const { pinned, devices } of FORWARDERS)
    await host.run(
      on ? ["nft", flowTable(devices)] : ["nft", "add table ip fast; delete table ip fast"],
      pinned,
    );
}

function server(path: string, port: number): ChildProcess {
  const argv = [`--net=${path}`, "--", "iperf3", "-s", "-p", String(port)];
  return spawn("nsenter", argv, { stdio: "ignore" });
}

async function stream(client: TestHost, port: number): Promise<number> {
  const words = ["-J", "-c", self.dataPathAddress, "-p", String(port), "-t", String(SECONDS)];
  const said = JSON.parse(await execOk(["nsenter", `--net=${client.path()}`, "--", "iperf3", ...words]));
  return said.end.sum_received.bits_per_second / 1e9;
}

async function main(): Promise<void> {
  const [host, client] = [await makeTestHost(), await makeTestHost()];
  const leave = await joinHosts([host, client]);
  const kernel = host.kernel();
  const servers: ChildProcess[] = [];
  try {
    const { failures } = await kernel.apply(planNetwork(facts, { tag: "sh" }));
    if (failures.length > 0) throw new Error(failures[0]?.error);
    servers.push(server(host.path(netnsNameOf(task.taskId)), PORT), server(host.path(), DIRECT));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const [direct, without, having]: number[][] = [[], [], []];
    for (let run = 0; run < RUNS; run++) {
      direct?.push(await stream(client, DIRECT));
      without?.push(await stream(client, PORT));
      await setFlow(host, true);
      having?.push(await stream(client, PORT));
      await setFlow(host, false);
    }
    const straight = median(direct ?? []);
    const rows = [
      ["straight to the host", straight],
      ["mesh to a local task", median(without ?? [])],
      ["the same with flow tables", median(having ?? [])],
    ] as const;
    process.stdout.write("| one TCP stream | Gbit/s | of straight |\n| --- | --- | --- |\n");
    for (const [what, gbits] of rows)
      process.stdout.write(`| ${what} | ${gbits.toFixed(3)} | ${(gbits / straight).toFixed(2)} |\n`);
  } finally {
    for (const each of servers) {
      each.kill("SIGKILL");
      if (each.exitCode === null && each.signalCode === null) await once(each, "exit");
    }
    await kernel.destroy();
    await kernel.close();
    await leave();
    await host.dispose();
    await client.dispose();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
