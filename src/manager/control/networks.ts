import { grantNetwork } from "../../allocator/index.ts";
import { contains, Fault, newId, overlaps, parseCidr, parseIpv4 } from "../../lib/index.ts";
import {
  type IpamConfig,
  isWanted,
  type Network,
  type NetworkSpec,
  newMeta,
  put,
  remove,
  type Task,
} from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";
import { write } from "./write.ts";

/** Overlay networks as the user speaks of them. */
export class NetworkControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Network[] {
    return [...this.#parts.store.view.all("network")];
  }

  get(ref: string): Network {
    return requireByRef(this.#parts.store.view, "network", ref);
  }

  /** Stores a new network. Faults: "exists" for the name, "invalid" for its words, "forbidden" for an overlap. */
  async create(spec: NetworkSpec): Promise<Network> {
    const { store, clock, random } = this.#parts;
    const id = newId(random);
    await write(store, (view) => {
      checkNetwork(view, spec);
      // The subnet is granted here already, so that an overlap is the caller's error and not a later surprise.
      const grant = grantNetwork(view, spec, [...view.all("network")]);
      if ("error" in grant)
        throw new Fault("forbidden", `cannot create network ${spec.name}: ${grant.error}`);
      return [put("network", { ...newMeta(id, clock.now()), spec, state: grant.state })];
    });
    return this.get(id);
  }

  /** Fault "precondition" while a service or a task is on it. */
  async remove(ref: string): Promise<void> {
    await write(this.#parts.store, (view) => {
      const network = requireByRef(view, "network", ref);
      const user = userOf(view, network);
      if (user !== undefined) {
        const what = `network ${network.id} is in use by ${user}`;
        throw new Fault("precondition", `rpc error: code = FailedPrecondition desc = ${what}`);
      }
      return [remove("network", network)];
    });
  }
}

function userOf(view: View, network: Network): string | undefined {
  for (const service of view.all("service")) {
    const ingress =
      network.spec.ingress && service.spec.endpoint.ports.some((p) => p.publishMode === "ingress");
    if (ingress || service.spec.task.networks.some((n) => n.target === network.id))
      return `service ${service.id}`;
  }
  for (const task of view.tasksByNetwork(network.id)) if (holds(view, task)) return `task ${task.id}`;
  return undefined;
}

/**
 * As swarmkit has it, a task that is on its way out holds no network: `docker stack rm` removes networks right behind
 * services. Nor does one on a node that is down, which cannot say that it has stopped.
 */
function holds(view: View, task: Task): boolean {
  const goes = !isWanted(task) || view.get("service", task.serviceId) === undefined;
  const node = task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
  return task.status.state === "running" && !goes && node?.status.state !== "down";
}

/** Networks that every Docker node has of its own. */
const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

const MTU_OPTION = "com.docker.network.driver.mtu";
/** The least that IPv4 must carry (RFC 791) with the envelope around it; the most that a device can be told. */
const MTU_RANGE = { least: 68 + 50, most: 65_535 } as const;

function checkOptions({ name, driverOptions }: NetworkSpec): void {
  if ("encrypted" in driverOptions) {
    throw new Fault(
      "unsupported",
      `cannot create network ${name}: encryption is not supported yet, and it would run in clear`,
    );
  }
  const mtu = driverOptions[MTU_OPTION];
  if (mtu === undefined) return;
  if (!/^\d+$/.test(mtu) || Number(mtu) < MTU_RANGE.least || Number(mtu) > MTU_RANGE.most) {
    const what = `must be a number from ${MTU_RANGE.least} to ${MTU_RANGE.most}`;
    throw new Fault("invalid", `invalid value "${mtu}" for ${MTU_OPTION}: ${what}`);
  }
}

function checkNetwork(view: View, spec: NetworkSpec): void {
  if (PREDEFINED.has(spec.name)) {
    throw new Fault("forbidden", `operation is not permitted on predefined ${spec.name} network`);
  }
  checkOptions(spec);
  const all = [...view.all("network")];
  if (all.some((n) => n.spec.name === spec.name)) {
    throw new Fault("exists", `network with name ${spec.name} already exists`);
  }
  const ingress = all.find((n) => n.spec.ingress);
  if (spec.ingress && ingress !== undefined) {
    const what = `ingress network (${ingress.id}) is already present`;
    throw new Fault("exists", `rpc error: code = AlreadyExists desc = ${what}`);
  }
  for (const config of spec.ipam) checkIpam(config);
  for (const { subnet } of spec.ipam) if (subnet !== undefined) checkOverlap(view, subnet);
}

function checkIpam({ subnet, gateway, ipRange, auxAddresses = {} }: IpamConfig): void {
  const block = subnet === undefined ? undefined : parseCidr(subnet);
  if (subnet !== undefined && block === undefined)
    throw new Fault("invalid", `invalid subnet ${subnet}: invalid CIDR`);
  if (block !== undefined && block.bits > 29)
    throw new Fault("invalid", `invalid subnet ${subnet}: too small`);
  const isInside = (text: string) => {
    const address = parseIpv4(text);
    return address !== undefined && block !== undefined && contains(block, address);
  };
  if (gateway !== undefined && !isInside(gateway)) {
    throw new Fault("invalid", `no matching subnet for gateway ${gateway}`);
  }
  const stray = Object.values(auxAddresses).find((address) => !isInside(address));
  if (stray !== undefined) throw new Fault("invalid", `no matching subnet for aux-address ${stray}`);
  if (ipRange === undefined) return;
  const range = parseCidr(ipRange);
  if (range === undefined || block === undefined || range.bits < block.bits || !contains(block, range.base)) {
    throw new Fault("invalid", `no matching subnet for range ${ipRange}`);
  }
}

/** Docker's own words, then the name of the other, which Docker leaves out. */
function checkOverlap(view: View, subnet: string): void {
  const block = parseCidr(subnet);
  if (block === undefined) return;
  for (const other of view.all("network")) {
    const taken = other.state === undefined ? undefined : parseCidr(other.state.subnet);
    if (taken === undefined || !overlaps(taken, block)) continue;
    const what = `Pool overlaps with other one on this address space (network ${other.spec.name}, ${other.state?.subnet})`;
    throw new Fault("forbidden", `invalid pool request: ${what}`);
  }
}
