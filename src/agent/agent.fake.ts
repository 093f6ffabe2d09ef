import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, Fault, type Queue, seededRandom, silentLog } from "../lib/index.ts";
import { aNetwork } from "../model/objects.fake.ts";
import type { NodeNetwork, Operation } from "../netstate/index.ts";
import { GatewayAddresses, GuestDesk, HostPorts, NetworkApplier } from "../network/index.ts";
import type { AgentMessage, ManagerMessage } from "../rpc/index.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import { Agent, type AgentParts } from "./agent.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { AssignmentsFile } from "./assignments-file.ts";
import type { VisitDoor } from "./visit-desk.ts";

const GATEWAY = "172.18.0.0/16";

const nobody = () => {
  throw new Fault("unsupported", "nobody visits this node");
};

/** A node that no manager asks for a visit. */
export const NO_DOOR: VisitDoor = { connect: nobody, look: nobody, processes: nobody };

/** What a manager says first. */
export const welcome: ManagerMessage = {
  kind: "welcome",
  sessionId: "s",
  heartbeatPeriodMs: 5_000,
  managers: [],
  cluster: { id: "c", dataPathPort: 4789 },
};

/** A started agent: what it said, and how to end it. */
export interface StartedAgent {
  readonly sent: AgentMessage[];
  readonly stop: AbortController;
}

/** One machine for agents that come after each other: its containers, kernel and folder are fakes that stay. */
export class AgentMachine {
  readonly clock: FakeClock = new FakeClock();
  readonly images: FakeImages = new FakeImages();
  readonly containers: FakeContainers;
  readonly folder: string = mkdtempSync(join(tmpdir(), "shoal-agent-"));
  /** Every value that the kernel was asked for. */
  readonly applied: NodeNetwork[] = [];
  /** While it is set, what the kernel is asked for takes as long as this. */
  hold: Promise<void> | undefined;
  /** What its kernel says of encryption. */
  lackOfEncryption = "";
  readonly #kernel = new FakeKernel();
  readonly #stops: AbortController[] = [];

  constructor() {
    this.images.publish("redis:3.2", { Cmd: ["serve"] });
    this.containers = new FakeContainers({ images: this.images, clock: this.clock });
  }

  /** Starts an agent; with `messages` a manager answers it, without none ever does. */
  start(messages?: Queue<ManagerMessage>): StartedAgent {
    const sent: AgentMessage[] = [];
    const stop = new AbortController();
    this.#stops.push(stop);
    const { clock } = this;
    const [kernel, log] = [this.#recording(), silentLog];
    const settings = { gatewaySubnet: GATEWAY };
    const applier = new NetworkApplier({ kernel, settings, plan: { tag: "sh" }, clock, log });
    const guests = new GuestDesk({ clock, log });
    const agent = new Agent({
      ...this.#parts(),
      kernel,
      network: { applier, gateway: new GatewayAddresses(GATEWAY), hostPorts: new HostPorts(), guests },
      async connect() {
        if (messages === undefined) throw new Error("no manager answers");
        return { send: (message) => void sent.push(message), messages, close: () => messages.close() };
      },
    });
    void agent.run(stop.signal);
    void applier.run(stop.signal);
    return { sent, stop };
  }

  /** Somebody else's hand in the kernel. */
  meddle(namespace: string, operation: Operation): void {
    this.#kernel.machine.meddle(namespace, operation);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop.abort();
    await this.clock.advance(0);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #parts(): Omit<AgentParts, "connect" | "kernel" | "network"> {
    const { clock, containers, images } = this;
    return {
      ...{
        containers,
        images,
        clock,
        random: seededRandom(this.#stops.length),
        log: silentLog,
      },
      settings: {
        ...{ nodeId: "n1", dataPathAddress: "192.0.2.1" },
        dataPathPort: 4789,
      },
      advertiseAddress: "192.0.2.1",
      managers: ["192.0.2.1:2377"],
      netnsDir: "/netns",
      assignments: new AssignmentsFile(join(this.folder, "assignments.json"), silentLog),
      dns: { search: [], upstreams: [] },
      describe: () => ({
        ...{ hostname: "n1", platform: { architecture: "x86_64", os: "linux" }, engineVersion: "0" },
        ...{ plugins: [], engineLabels: {}, resources: { nanoCpus: 1, memoryBytes: 1, generic: [] } },
      }),
      heart: { follow: () => undefined },
      visits: NO_DOOR,
      onWelcome: () => undefined,
      onLeave: () => undefined,
    };
  }

  #recording(): AgentParts["kernel"] {
    const kernel = this.#kernel;
    return {
      apply: async (wanted) => {
        this.applied.push(wanted);
        await this.hold;
        return kernel.apply(wanted);
      },
      sweep: (wanted) => {
        this.applied.push(wanted);
        return kernel.sweep(wanted);
      },
      observe: (wanted) => kernel.observe(wanted),
      undelivered: (namespace) => kernel.undelivered(namespace),
      lackOfFlowTables: () => kernel.lackOfFlowTables(),
      watch: (signal, onChange) => kernel.watch(signal, onChange),
      portsInUse: () => kernel.portsInUse(),
      lackOfSctp: () => kernel.lackOfSctp(),
      lackOfEncryption: async () => this.lackOfEncryption,
      destroy: () => kernel.destroy(),
    };
  }
}

/** The whole set of a node that runs this task on network "front". */
export function assignmentsFor(
  task: AssignedTask,
  resultsIn = 1,
): Extract<ManagerMessage, { kind: "assignments" }> {
  const network = aNetwork("front");
  const addresses = { front: "10.0.1.5" };
  const rows: readonly (readonly [string, unknown])[] = [
    [`task/${task.id}`, task],
    [
      "network/front",
      {
        ...{ id: "front", name: "front", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
        ...{ ingress: false, internal: network.spec.internal },
      },
    ],
    ["node/n1", { id: "n1", dataPathAddress: "192.0.2.1", addresses: { front: "10.0.1.3" } }],
    [`attachment/${task.id}`, { taskId: task.id, nodeId: "n1", addresses }],
  ];
  const upserts = rows.map(([key, value]) => ({ key, json: JSON.stringify(value) }));
  return { kind: "assignments", complete: true, appliesTo: 0, resultsIn, upserts, removals: [] };
}
