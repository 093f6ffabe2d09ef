import { performance } from "node:perf_hooks";
import { AssignmentBook } from "../src/agent/assignment-book.ts";
import { silentLog } from "../src/lib/index.ts";
import { type ClusterNetwork, NetworkApplier } from "../src/network/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { makeTestHost, type TestHost } from "../test/support/netns.ts";
import { BACKENDS, cluster, type Row, self, taskRows } from "./crowd.ts";
import { median } from "./measure.ts";

/**
 * What one endpoint more of a service that has 1,000 costs a node, by the number of other services: `sudo npx tsx
 * bench/endpoints.ts`. All that shoald does from a manager's message on, on the real kernel, in a namespace that
 * plays a host.
 */

const OTHERS = [10, 100, 1_000];
const RUNS = 15;
/** After this long nothing that was put off is left: see QUIET_MS of the kernel, and the applier. */
const QUIET_MS = 600;

interface Cost {
  /** Until the kernel works by the message; all threads' CPU time for it; and with what was put off. */
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly laterMs: number;
}

class Node {
  readonly #book = new AssignmentBook();
  readonly #network: ClusterNetwork;
  #sequence = 0;

  constructor(host: TestHost) {
    this.#network = new NetworkApplier({
      ...{ kernel: host.threadKernel(), settings: self, plan: { tag: "sh" } },
      ...{ clock: systemClock, log: silentLog },
    }).enter(self);
  }

  async tell(upserts: readonly Row[], removals: readonly string[] = []): Promise<Cost> {
    const complete = this.#sequence === 0;
    const message = {
      ...{ complete, appliesTo: this.#sequence, resultsIn: ++this.#sequence, removals: [...removals] },
      upserts: upserts.map(([key, value]) => ({ key, json: JSON.stringify(value) })),
    };
    const [start, before] = [performance.now(), cpuMs()];
    this.#book.apply(message);
    this.#network.setFacts(this.#book.facts());
    await new Promise<void>((resolve) => this.#network.whenInForce(resolve));
    const [wallMs, now] = [performance.now() - start, cpuMs()];
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    return { wallMs, cpuMs: now - before, laterMs: cpuMs() - now };
  }

  close(): void {
    this.#network.close();
  }
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function measure(others: number, published: boolean): Promise<Cost> {
  const host = await makeTestHost();
  try {
    await host.run(["ip", "address", "add", "192.168.7.1/24", "dev", "lo"]);
    const node = new Node(host);
    await node.tell(cluster(others, published));
    const costs: Cost[] = [];
    const last = BACKENDS + 2 * others;
    for (let run = 0; run < RUNS; run++) {
      // The 1,001st comes and goes: in the middle of the others by its id.
      costs.push(await node.tell(taskRows(last + run, 0)));
      await node.tell([], [`endpoint/task${last + run}`, `attachment/task${last + run}`]);
    }
    node.close();
    const middle = (of: (cost: Cost) => number) => median(costs.slice(3).map(of));
    return {
      wallMs: middle((c) => c.wallMs),
      cpuMs: middle((c) => c.cpuMs),
      laterMs: middle((c) => c.laterMs),
    };
  } finally {
    await host.dispose();
  }
}

async function main(): Promise<void> {
  process.stdout.write(
    "| service of 1,000 | other services | until in force | CPU time | CPU time later |\n| --- | --- | --- | --- | --- |\n",
  );
  for (const published of [false, true]) {
    for (const others of OTHERS) {
      const { wallMs, cpuMs, laterMs } = await measure(others, published);
      const cells = [wallMs, cpuMs, laterMs].map((ms) => `${ms.toFixed(1)} ms`);
      const what = published ? "with VIP and port" : "with VIP";
      process.stdout.write(`| ${[what, others, ...cells].join(" | ")} |\n`);
    }
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
