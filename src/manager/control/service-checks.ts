import { Fault } from "../../lib/index.ts";
import {
  isOnHost,
  isPredefined,
  ownPorts,
  type PortSpec,
  PREDEFINED_NETWORKS,
  type Service,
  type ServiceSpec,
} from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import { checkFiles } from "./secrets.ts";

/* What a spec may be wrong about in the cluster it comes to, in the words of swarmkit manager/controlapi/service.go. */

/** The spec with network ids in place of names, once nothing in the cluster forbids it. */
export function checkSpec(view: View, spec: ServiceSpec, self: string | undefined): ServiceSpec {
  // Swarm's names of services differ in more than case.
  const name = spec.name.toLowerCase();
  const taken = [...view.all("service")].find((s) => s.spec.name.toLowerCase() === name && s.id !== self);
  if (taken !== undefined) {
    const what = `name conflicts with an existing object: service ${spec.name} already exists`;
    throw new Fault("exists", `rpc error: code = AlreadyExists desc = ${what}`);
  }
  checkPorts(view, spec, self);
  checkIngress(view, spec);
  checkFiles(view, spec.task.container);
  const networks = spec.task.networks.map((wanted) => {
    const predefined = PREDEFINED_NETWORKS.find(({ id, name }) => [id, name].includes(wanted.target));
    if (predefined !== undefined) return { ...wanted, target: predefined.id };
    const network = requireByRef(view, "network", wanted.target);
    if (network.spec.ingress) {
      const what = `Service cannot be explicitly attached to the ingress network "${network.spec.name}"`;
      throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
    }
    return { ...wanted, target: network.id };
  });
  for (const [i, { target }] of networks.entries()) {
    if (networks.findIndex((n) => n.target === target) === i) continue;
    const what = `TaskSpec: duplicate network attachment: ${target}`;
    throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  }
  const resolved = { ...spec, task: { ...spec.task, networks } };
  checkPredefined(resolved);
  return resolved;
}

/** What Docker's nodes would only say when they make the container (moby daemon/container_operations.go). */
function checkPredefined({ task, endpoint }: ServiceSpec): void {
  const { networks } = task;
  const predefined = networks.find(({ target }) => isPredefined(target));
  if (predefined === undefined) return;
  const refuse = (what: string) => new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  if (networks.length > 1) {
    throw refuse("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  }
  if (predefined.aliases.length > 0) {
    throw refuse("network-scoped alias is supported only for containers in user defined networks");
  }
  if (isOnHost(task) && endpoint.ports.some(({ publishMode }) => publishMode === "ingress")) {
    throw refuse(
      "a service on network host has the ports of its nodes: publish with mode=host, or not at all",
    );
  }
}

/** An ingress port is the whole cluster's. Host ports may meet: the scheduler keeps them apart. */
function checkPorts(view: View, spec: ServiceSpec, self: string | undefined): void {
  const wanted = spec.endpoint.ports.filter((port) => port.published !== 0);
  if (wanted.length === 0) return;
  checkOwnPorts(view, wanted);
  for (const other of view.all("service")) {
    if (other.id === self) continue;
    const taken = portsOf(other).find((port) => wanted.some((own) => areRivals(own, port)));
    if (taken === undefined) continue;
    const how = taken.publishMode === "ingress" ? "an ingress port" : "a host-published port";
    const what = `port '${taken.published}' is already in use by service '${other.spec.name}' (${other.id}) as ${how}`;
    throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  }
}

/** Swarm lets such a port be published, and its nodes lose each other. */
function checkOwnPorts(view: View, wanted: readonly PortSpec[]): void {
  const taken = ownPorts(view.cluster(), view.all("node")).find((own) =>
    wanted.some(
      ({ protocol, published, publishMode }) =>
        protocol === own.protocol &&
        published === own.published &&
        (own.everywhere || publishMode === "ingress"),
    ),
  );
  if (taken === undefined) return;
  const what = `port '${taken.published}' is already in use by the swarm as its ${taken.what}`;
  throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
}

/** What it asked for, and what it was given. */
function portsOf(service: Service): PortSpec[] {
  return [...service.spec.endpoint.ports, ...(service.endpoint?.ports ?? [])];
}

function areRivals(a: PortSpec, b: PortSpec): boolean {
  const isMesh = a.publishMode === "ingress" || b.publishMode === "ingress";
  return isMesh && a.published === b.published && a.protocol === b.protocol;
}

function checkIngress(view: View, spec: ServiceSpec): void {
  const needs = spec.endpoint.ports.some((port) => port.publishMode === "ingress");
  if (!needs || [...view.all("network")].some((network) => network.spec.ingress)) return;
  const what = "service needs ingress network, but no ingress network is present";
  throw new Fault("precondition", `rpc error: code = FailedPrecondition desc = ${what}`);
}
