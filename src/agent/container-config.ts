import { hostOf, runtimeConfigOf } from "../engine/index.ts";
import {
  type ContainerSpec,
  type GenericResource,
  namedFilesOf,
  placeOfFile,
  taskName,
} from "../model/index.ts";
import type { ContainerConfig } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";

/** Labels that Docker gives a task's container (moby executor/container/container.go). */
export const TASK_ID_LABEL = "com.docker.swarm.task.id";
/** Ours: the task's address on the gateway bridge, so that a restarted agent finds it. */
export const GATEWAY_LABEL = "shoal.gateway-address";

/** Ours too: the numbers of its host-mode ports, when the node chose any. */
export const HOST_PORTS_LABEL = "shoal.host-ports";

/** Docker's resolver address inside every container; stacks hard-code it. */
const RESOLVER = "127.0.0.11";

export interface TaskPlace {
  readonly containerId: string;
  readonly image: string;
  readonly nodeId: string;
  /** The task's namespace, and its address on the gateway bridge; absent: it is on the host's network. */
  readonly netns?: string;
  readonly gatewayAddress?: string | undefined;
  readonly hostPorts?: string | undefined;
  readonly search: readonly string[];
  /** What a task on the host's network is told of it. */
  readonly host?: { readonly name: string; readonly address: string; readonly upstreams: readonly string[] };
}

/** The task's words as the runtime wants them (swarm-map 3.10a). */
export function containerConfigOf(task: AssignedTask, place: TaskPlace): ContainerConfig {
  const { container } = task.spec;
  const hostname = container.hostname || place.host?.name || place.containerId.slice(0, 12);
  const [{ address, address6 = undefined } = {}] = task.attachments;
  const own = [address ?? place.gatewayAddress ?? place.host?.address, address6];
  return {
    ...runtimeConfigOf(task.spec, {
      id: place.containerId,
      name: taskName(task),
      image: place.image,
      labels: labelsOf(task, place),
      env: genericEnv(task.generic ?? []),
      hostname,
      hosts: [
        ...own.flatMap((at) => (at === undefined ? [] : [{ address: at, names: [hostname] }])),
        ...container.hosts.map(hostOf),
      ],
      dns: dnsOf(container.dns, place),
      netns: place.netns,
    }),
    ...filesOf(container),
  };
}

/** The resolver of its node, which has the user's name servers from us; on the host's network those that it is to ask itself. */
function dnsOf(words: ContainerSpec["dns"], { search, host }: TaskPlace): ContainerConfig["dns"] {
  const domains = words.search.length > 0 ? words.search : search;
  if (host === undefined)
    return { nameservers: [RESOLVER], search: domains, options: optionsOf(words.options) };
  const nameservers = words.nameservers.length > 0 ? words.nameservers : host.upstreams;
  return { nameservers, search: domains, options: words.options };
}

/** The user's, and unless they speak of it Docker's: a name with a dot is asked as it is (moby libnetwork/sandbox_dns_unix.go). */
function optionsOf(words: readonly string[]): readonly string[] {
  return words.some((word) => word.startsWith("ndots:")) ? words : [...words, "ndots:0"];
}

/** Its secrets and configs; what they hold goes another way. */
function filesOf(container: ContainerSpec): Pick<ContainerConfig, "files"> {
  const files = namedFilesOf(container).map((file) => {
    const { uid, gid, mode } = file.reference.file;
    return { target: placeOfFile(file), uid, gid, mode };
  });
  return files.length === 0 ? {} : { files };
}

/** What the scheduler took from the node for it, as Docker says it: "DOCKER_RESOURCE_GPU=uuid-1,uuid-2". */
function genericEnv(taken: readonly GenericResource[]): string[] {
  const kinds = new Map<string, string[]>();
  for (const one of taken) {
    const name = `DOCKER_RESOURCE_${one.kind}`.toUpperCase();
    kinds.set(name, [...(kinds.get(name) ?? []), "id" in one ? one.id : String(one.count)]);
  }
  return [...kinds].map(([name, values]) => `${name}=${values.join(",")}`);
}

function labelsOf(task: AssignedTask, place: TaskPlace): Record<string, string> {
  return {
    ...task.spec.container.labels,
    "com.docker.swarm.task": "",
    [TASK_ID_LABEL]: task.id,
    "com.docker.swarm.task.name": taskName(task),
    "com.docker.swarm.node.id": place.nodeId,
    "com.docker.swarm.service.id": task.serviceId,
    "com.docker.swarm.service.name": task.serviceName,
    ...(place.gatewayAddress !== undefined && { [GATEWAY_LABEL]: place.gatewayAddress }),
    ...(place.hostPorts !== undefined && { [HOST_PORTS_LABEL]: place.hostPorts }),
  };
}
