import { grantNetwork } from "../../allocator/index.ts";
import { contains, Fault, newId, overlaps, parseCidr, parseIpv4 } from "../../lib/index.ts";
import { type Network, type NetworkSpec, newMeta, put, remove } from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";

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
    await store.mutate((view) => {
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
    await this.#parts.store.mutate((view) => {
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
  for (const task of view.all("task")) {
    if (task.status.state === "running" && task.attachments.some((a) => a.networkId === network.id)) {
      return `task ${task.id}`;
    }
  }
  return undefined;
}

function checkNetwork(view: View, spec: NetworkSpec): void {
  const all = [...view.all("network")];
  if (all.some((n) => n.spec.name === spec.name)) {
    throw new Fault("exists", `network with name ${spec.name} already exists`);
  }
  const ingress = all.find((n) => n.spec.ingress);
  if (spec.ingress && ingress !== undefined) {
    const what = `ingress network (${ingress.id}) is already present`;
    throw new Fault("exists", `rpc error: code = AlreadyExists desc = ${what}`);
  }
  for (const { subnet, gateway, ipRange } of spec.ipam) checkIpam(subnet, gateway, ipRange);
  for (const { subnet } of spec.ipam) if (subnet !== undefined) checkOverlap(view, subnet);
}

function checkIpam(subnet?: string, gateway?: string, ipRange?: string): void {
  const block = subnet === undefined ? undefined : parseCidr(subnet);
  if (subnet !== undefined && block === undefined)
    throw new Fault("invalid", `invalid subnet ${subnet}: invalid CIDR`);
  if (block !== undefined && block.bits > 29)
    throw new Fault("invalid", `invalid subnet ${subnet}: too small`);
  if (gateway !== undefined) {
    const address = parseIpv4(gateway);
    if (address === undefined || block === undefined || !contains(block, address)) {
      throw new Fault("invalid", `no matching subnet for gateway ${gateway}`);
    }
  }
  if (ipRange !== undefined) {
    const range = parseCidr(ipRange);
    if (
      range === undefined ||
      block === undefined ||
      range.bits < block.bits ||
      !contains(block, range.base)
    ) {
      throw new Fault("invalid", `no matching subnet for range ${ipRange}`);
    }
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
