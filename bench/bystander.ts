import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { AssignmentBook } from "../src/agent/assignment-book.ts";
import { planNetwork } from "../src/dataplane/index.ts";
import type { NodeNetwork } from "../src/netstate/index.ts";
import { execOk } from "../src/sys/index.ts";
import { joinHosts, makeTestHost, type TestHost } from "../test/support/netns.ts";
import { cluster, self } from "./crowd.ts";
import { median } from "./measure.ts";

/**
 * What a host's own traffic, that is none of Shoal's, loses by 1,000 published services on it: `sudo npx tsx
 * bench/bystander.ts` (three minutes). The services come and go between the runs of one and the same traffic.
 */

const SERVICES = 1_000;
const RUNS = 8;
const SECONDS = 2;
const [STREAM_PORT, HTTP_PORT] = [5201, 8090];

interface Speed {
  readonly gbits: number;
  /** With a connection of its own for each, and on one that stays. */
  readonly connections: number;
  readonly requests: number;
}

function crowded(): NodeNetwork {
  const book = new AssignmentBook();
  const upserts = cluster(SERVICES - 1, true).map(([key, value]) => ({ key, json: JSON.stringify(value) }));
  book.apply({ complete: true, appliesTo: 0, resultsIn: 1, upserts, removals: [] });
  return planNetwork({ self, ...book.facts(), tasks: [] }, { tag: "sh" });
}

function serversOn(host: TestHost): ChildProcess[] {
  const server = join(import.meta.dirname, "http-server.mjs");
  const commands = [
    ["iperf3", "-s", "-p", String(STREAM_PORT)],
    [process.execPath, server, String(HTTP_PORT)],
  ];
  return commands.map((command) =>
    spawn("nsenter", [`--net=${host.path()}`, "--", ...command], { stdio: "ignore" }),
  );
}

async function speedFrom(client: TestHost, address: string): Promise<Speed> {
  const run = (...argv: [string, ...string[]]) =>
    execOk(["nsenter", `--net=${client.path()}`, "--", ...argv]);
  const stream = JSON.parse(
    await run("iperf3", "-J", "-c", address, "-p", String(STREAM_PORT), "-t", String(SECONDS)),
  );
  const requests = async (...more: string[]) => {
    const url = `http://${address}:${HTTP_PORT}/`;
    const text = await run("wrk", "-t1", "-c4", `-d${SECONDS}s`, ...more, url);
    return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  };
  return {
    gbits: stream.end.sum_received.bits_per_second / 1e9,
    connections: await requests("-H", "Connection: close"),
    requests: await requests(),
  };
}

/** A client may use a port again as soon as its connection is over: else there are none left before the bench is over. */
async function lendPorts(host: TestHost): Promise<void> {
  await host.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1"]);
}

type Cell = { readonly without: Speed[]; readonly with: Speed[] };

function print(where: string, { without, with: having }: Cell): void {
  const kinds: [keyof Speed, string][] = [
    ["gbits", "one TCP stream, Gbit/s"],
    ["connections", "new connections a second"],
    ["requests", "requests a second"],
  ];
  for (const [kind, what] of kinds) {
    const [none, some] = [without, having].map((runs) => median(runs.map((speed) => speed[kind])));
    const cells = [where, what, none?.toFixed(1), some?.toFixed(1), ((some ?? 0) / (none ?? 0)).toFixed(2)];
    process.stdout.write(`| ${cells.join(" | ")} |\n`);
  }
}

async function main(): Promise<void> {
  const [host, other] = [await makeTestHost(), await makeTestHost()];
  const leave = await joinHosts([host, other]);
  await lendPorts(host);
  await lendPorts(other);
  const kernel = host.kernel();
  const servers = serversOn(host);
  const loopback: Cell = { without: [], with: [] };
  const outside: Cell = { without: [], with: [] };
  try {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (let run = 0; run < RUNS; run++) {
      const states = ["without", "with"] as const;
      for (const state of run % 2 === 0 ? states : states.toReversed()) {
        if (state === "with") {
          const { failures } = await kernel.apply(crowded());
          if (failures.length > 0) throw new Error(failures[0]?.error);
        } else await kernel.destroy();
        loopback[state].push(await speedFrom(host, "127.0.0.1"));
        outside[state].push(await speedFrom(other, "192.168.7.1"));
      }
    }
    process.stdout.write(
      `| traffic | what | without | with ${SERVICES} services | ratio |\n| --- | --- | --- | --- | --- |\n`,
    );
    print("the host's loopback", loopback);
    print("from another host", outside);
    await kernel.destroy();
  } finally {
    for (const server of servers) {
      server.kill("SIGKILL");
      if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
    }
    await kernel.close();
    await leave();
    await host.dispose();
    await other.dispose();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
