import { Fault } from "../lib/index.ts";

const TAG_REGEXP = /^[a-z][a-z0-9]{0,4}$/;
const ID_BYTES = 8;

/** The way out of a sandbox whose networks come and go while it runs: their devices have the ethN. */
export const FIXED_GATEWAY_LEG = "gw0";

/** The namespace of a task. Namespaces are files in the daemon's own folder, so their names carry no tag. */
export function netnsNameOf(taskId: string): string {
  return `task-${taskId}`;
}

/** The namespace of this node's sandbox on a network. */
export function sandboxNameOf(networkId: string): string {
  return `net-${networkId}`;
}

/**
 * The names of devices and tables in a plan. All carry the swarm's tag and a dash, so that two swarms may share one host
 * namespace, and "sh-g*" in a rule means this swarm's gateway legs only. Devices: 15 bytes (IFNAMSIZ, linux/if.h),
 * hence a tag of 5 and the first 8 characters of an id (a 25-character random one, lib/ids.ts).
 */
export interface Names {
  vxlan(vni: number): string;
  /** A task's leg, at its end in the sandbox of a network. */
  taskLeg(taskId: string): string;
  /** A task's gateway leg, at its end in the host's namespace. */
  gatewayLeg(taskId: string): string;
  /** Both above as nft's interface wildcards. */
  readonly anyTaskLeg: string;
  readonly anyGatewayLeg: string;
  /** The gateway bridge. */
  readonly bridge: string;
  /** A bridge network of this node alone. */
  localBridge(networkId: string): string;
  /** A container's leg on one of those, at its end in the host's namespace: a port of the bridge. */
  bridgeLeg(taskId: string, networkId: string): string;
  /** The link between host and ingress sandbox, by its end in the host and its end in the sandbox. */
  readonly meshLeg: string;
  readonly hostLeg: string;
  /** The nft table for one purpose: "host", "lb", "mesh", … */
  table(purpose: string): string;
}

/** Throws an "invalid" Fault for a tag that is not 1 to 5 lowercase letters and digits, a letter first. */
export function namesFor(tag: string): Names {
  if (!TAG_REGEXP.test(tag)) throw new Fault("invalid", `cannot name network devices: bad tag "${tag}"`);
  const short = (id: string) => id.slice(0, ID_BYTES);
  return {
    vxlan: (vni) => `${tag}-v${vni}`,
    taskLeg: (taskId) => `${tag}-t${short(taskId)}`,
    gatewayLeg: (taskId) => `${tag}-g${short(taskId)}`,
    anyTaskLeg: `"${tag}-t*"`,
    anyGatewayLeg: `"${tag}-g*"`,
    bridge: `${tag}-br`,
    localBridge: (networkId) => `${tag}-b${short(networkId)}`,
    bridgeLeg: (taskId, networkId) => `${tag}-p${digest(`${taskId} ${networkId}`)}`,
    meshLeg: `${tag}-mesh`,
    hostLeg: `${tag}-host`,
    table: (purpose) => `${tag}-${purpose}`,
  };
}

/** Eight digits of base 36 for a text (FNV-1a, 64 bits): a leg that two ids name has no room for both. */
function digest(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const char of text) hash = BigInt.asUintN(64, (hash ^ BigInt(char.charCodeAt(0))) * 0x100000001b3n);
  return hash.toString(36).padStart(ID_BYTES, "0").slice(-ID_BYTES);
}
