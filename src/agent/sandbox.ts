import { type NetworkFacts, netnsNameOf, type PortFact, type TaskFact } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { Fault, overlaps, requireCidr, subnetsOf } from "../lib/index.ts";
import { isOnHost, isWanted, type NodeDescription, type PortSpec } from "../model/index.ts";
import { type ClusterNetwork, type GatewayAddresses, type HostPorts, hostModeOf } from "../network/index.ts";
import type { ContainerConfig, ContainerState } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { containerConfigOf, GATEWAY_LABEL, HOST_PORTS_LABEL, type TaskPlace } from "./container-config.ts";
import { expandTask } from "./templates.ts";

/** Makes the container's config once its sandbox is there. */
export type ContainerConfigInput = (
  task: AssignedTask,
  containerId: string,
  image: string,
) => ContainerConfig;

export interface SandboxParts {
  readonly network: ClusterNetwork;
  readonly kernel: Pick<Kernel, "portsInUse" | "lackOfSctp">;
  readonly gateway: GatewayAddresses;
  readonly hostPorts: HostPorts;
  readonly nodeId: string;
  /** The node in the words of templates. */
  describe(): Pick<NodeDescription, "hostname" | "platform">;
  readonly netnsDir: string;
  readonly search: readonly string[];
  /** Of the node: what a task on its network is told. */
  readonly upstreams: readonly string[];
  readonly address: string;
  /** Whether the node has IPv6. */
  readonly ipv6: boolean;
  /** Why no task can be on these networks here, as half a sentence; undefined when it can. */
  objectionTo(networkIds: readonly string[]): string | undefined;
}

type Place = Omit<TaskPlace, "containerId" | "image">;

/** The network namespaces of this node's tasks. */
export class TaskSandboxes {
  readonly #parts: SandboxParts;
  /** Tasks that are wanted here: one that was detached while it was still being attached stays away. */
  readonly #wanted = new Set<string>();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
    // What an earlier agent's tasks held: those that still run are adopted.
    parts.gateway.startOver("task");
    parts.hostPorts.startOver("task");
  }

  /** Why nothing can be on these networks here, as half a sentence; undefined when it can. */
  objectionTo(networkIds: readonly string[]): string | undefined {
    const { network, ipv6 } = this.#parts;
    const facts = network.facts();
    if (!ipv6 && facts.networks.some(({ id, v6 }) => v6 !== undefined && networkIds.includes(id)))
      return "its network has IPv6, and this node has none";
    return this.#parts.objectionTo(networkIds) ?? overlapOf(networkIds, facts);
  }

  async attach(task: AssignedTask): Promise<ContainerConfigInput> {
    const node = this.#parts.describe();
    // What cannot be expanded is known before anything is made for it.
    expandTask(task, node);
    this.#wanted.add(task.id);
    const place = isOnHost(task.spec) ? this.#hostPlace() : await this.#sandboxFor(task);
    return (of, containerId, image) =>
      containerConfigOf(expandTask(of, node), { ...place, containerId, image });
  }

  /** The node's own namespace: nothing is made, and ports are the program's to bind. */
  #hostPlace(): Place {
    const { nodeId, search, upstreams, address } = this.#parts;
    return { nodeId, search, host: { name: this.#parts.describe().hostname, address, upstreams } };
  }

  async #sandboxFor(task: AssignedTask): Promise<Place> {
    const { network, gateway, hostPorts, nodeId, netnsDir, search, ipv6 } = this.#parts;
    if (!ipv6 && addresses6Of(task).length > 0)
      throw new Fault("unsupported", "cannot attach task: its network has IPv6, and this node has none");
    const objection = this.objectionTo(task.attachments.map(({ networkId }) => networkId));
    if (objection !== undefined) throw new Fault("unsupported", `cannot attach task: ${objection}`);
    const ports = await this.#portsFor(task);
    const gatewayAddress = gateway.give(task.id);
    await network.attach(factOf(task, gatewayAddress, ports));
    return {
      ...{ nodeId, gatewayAddress, search, hostPorts: hostPorts.numbersOf(task) },
      netns: `${netnsDir}/${netnsNameOf(task.id)}`,
    };
  }

  /** What programs of the host have is asked when the ports are given, and not again: from then on they are the task's. */
  async #portsFor(task: AssignedTask): Promise<readonly PortSpec[]> {
    const { hostPorts, kernel } = this.#parts;
    await this.#checkSctp(task);
    if (hostModeOf(task).length === 0 || this.portsOf(task.id).length > 0) return hostPorts.give(task);
    const inUse = await kernel.portsInUse();
    this.#checkWanted(task);
    return hostPorts.give(task, inUse);
  }

  async #checkSctp(task: AssignedTask): Promise<void> {
    const port = task.endpoint.ports.find(({ protocol }) => protocol === "sctp");
    if (port === undefined) return;
    const lack = await this.#parts.kernel.lackOfSctp();
    this.#checkWanted(task);
    if (lack === "") return;
    throw new Fault("unsupported", `cannot publish port ${port.published || port.target}/sctp: ${lack}`);
  }

  /** To be asked after every wait. */
  #checkWanted({ id }: AssignedTask): void {
    if (!this.#wanted.has(id)) throw new Fault("conflict", "cannot attach task: it is to stop");
  }

  /** The task's host-mode ports, with their numbers. */
  portsOf(taskId: string): readonly PortSpec[] {
    return this.#parts.hostPorts.portsOf(taskId);
  }

  /** The task's address on the gateway bridge and its ports go to nobody else before the kernel has let go of them. */
  async detach(taskId: string): Promise<void> {
    const { network, gateway, hostPorts } = this.#parts;
    this.#wanted.delete(taskId);
    await network.delivered(taskId);
    return network.detach(taskId, () => {
      gateway.release(taskId);
      hostPorts.release(taskId);
    });
  }

  /**
   * The sandboxes of containers that run already, told to the network before it is first applied. One that has ended, or is not
   * to run any more, has given its own up: the address may be another's by now.
   */
  adopt(tasks: readonly AssignedTask[], found: ReadonlyMap<string, ContainerState>): void {
    const { gateway, hostPorts } = this.#parts;
    const facts = tasks.flatMap((task): TaskFact[] => {
      const { status, labels = {} } = found.get(task.id) ?? {};
      const { [GATEWAY_LABEL]: address, [HOST_PORTS_LABEL]: numbers } = labels;
      const isIn = status === "running" || (status === "created" && isWanted(task));
      if (address === undefined || !isIn) return [];
      gateway.adopt(task.id, address);
      if (numbers !== undefined) hostPorts.adopt(task, numbers);
      return [factOf(task, address, hostPorts.give(task))];
    });
    this.#parts.network.adopt(facts);
  }
}

/** Managers refuse such a network, but each node has a gateway bridge with a subnet of its own choice. */
function overlapOf(networkIds: readonly string[], { networks, self }: NetworkFacts): string | undefined {
  const gateway = requireCidr(self.gatewaySubnet);
  const all = networks
    .filter(({ id }) => networkIds.includes(id))
    .flatMap((network) => subnetsOf(network).map(({ subnet }) => ({ name: network.name, subnet })));
  const found = all.find(({ subnet }) => overlaps(requireCidr(subnet), gateway));
  if (found === undefined) return undefined;
  return `network ${found.name} (${found.subnet}) overlaps with docker_gwbridge (${self.gatewaySubnet}) of this node`;
}

function factOf(task: AssignedTask, gatewayAddress: string, ports: readonly PortSpec[]): TaskFact {
  const hostPorts = ports.map(
    ({ protocol, published, target }): PortFact => ({ protocol, published, target }),
  );
  const { nameservers } = task.spec.container.dns;
  const addresses6 = addresses6Of(task);
  return {
    taskId: task.id,
    serviceId: task.serviceId,
    addresses: Object.fromEntries(task.attachments.map((a) => [a.networkId, a.address])),
    ...(addresses6.length > 0 && { addresses6: Object.fromEntries(addresses6) }),
    gatewayAddress,
    hostPorts,
    ...(nameservers.length > 0 && { nameservers }),
  };
}

/** Network id to IPv6 address. */
function addresses6Of({ attachments }: AssignedTask): [string, string][] {
  return attachments.flatMap(({ networkId, address6 }) =>
    address6 === undefined ? [] : [[networkId, address6] as [string, string]],
  );
}
