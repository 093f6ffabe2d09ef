import { HOST_GATEWAY, type RunSpec } from "../model/index.ts";
import type { ContainerConfig, ContainerState, ResolvedImage } from "../runtime/index.ts";
import { hostOf, runtimeConfigOf } from "./container-config.ts";
import type { SandboxPlace } from "./networks.ts";
import type { RunRecord } from "./run-record.ts";

/** What a container that was made by hand is given when it is made. */
export interface FirstFacts {
  readonly name: string;
  /** Where its sandbox will be, when it is on networks. */
  readonly netns: string | undefined;
  /** The container whose network it shares. */
  readonly peer?: ContainerState | undefined;
  readonly host: {
    readonly name: string;
    /** Where containers reach it. */
    readonly gateway: string;
    readonly dns: { readonly nameservers: readonly string[]; readonly search: readonly string[] };
  };
}

/** Its words as the runtime wants them; of networks that it will be on, nothing is known yet. */
export function firstConfigOf(
  { id, spec }: RunRecord,
  { name, netns, host, peer }: FirstFacts,
): ContainerConfig {
  const { container, networkMode } = spec;
  const isOnHost = networkMode === "host";
  const hostname = peer?.config.hostname ?? (container.hostname || (isOnHost ? host.name : id.slice(0, 12)));
  const domainname = isOnHost ? "" : (peer?.config.sysctls[DOMAIN] ?? spec.domainname);
  const sysctls = domainname === "" ? container.sysctls : { ...container.sysctls, [DOMAIN]: domainname };
  const config = runtimeConfigOf(
    { ...spec, container: { ...container, sysctls } },
    {
      ...{ id, name, hostname, image: container.image, labels: container.labels },
      hosts: extraHosts(spec, host.gateway),
      dns: dnsOf(spec, { ...host.dns, options: [] }),
      // None at all is the host's; one without a path is its own, with nothing in it.
      netns: isOnHost ? undefined : (netns ?? ""),
    },
  );
  return {
    ...config,
    ...(peer !== undefined && { networkOf: peer.id }),
    ...machineOf(spec),
    resources: { ...config.resources, ...limitsOf(spec.machine) },
  };
}

const DOMAIN = "kernel.domainname";

function machineOf({ machine }: RunSpec): Pick<ContainerConfig, "machine" | "shmBytes"> {
  if (machine === undefined) return {};
  const { isPrivileged, hostNamespaces, devices, shmBytes } = machine;
  return { machine: { isPrivileged, hostNamespaces, devices }, ...(shmBytes > 0 && { shmBytes }) };
}

function limitsOf(machine: RunSpec["machine"]): ContainerConfig["resources"] {
  const { memorySwapBytes = 0, cpuShares = 0, cpusetCpus = "", cpusetMems = "" } = machine?.limits ?? {};
  return {
    ...(memorySwapBytes !== 0 && { memorySwapBytes }),
    ...(cpuShares > 0 && { cpuShares }),
    ...(cpusetCpus !== "" && { cpusetCpus }),
    ...(cpusetMems !== "" && { cpusetMems }),
  };
}

/** What its user adds to /etc/hosts. */
function extraHosts({ container }: RunSpec, gateway: string): ContainerConfig["hosts"] {
  return container.hosts
    .map(hostOf)
    .map(({ address, names }) => ({ address: address === HOST_GATEWAY ? gateway : address, names }));
}

/** What it finds in its files once it is on its networks. */
export function namesAt(
  spec: RunSpec,
  { hostname }: Pick<ContainerConfig, "hostname">,
  { place, gateway }: { readonly place: SandboxPlace; readonly gateway: string },
): Pick<ContainerConfig, "hosts" | "dns"> {
  const full = spec.domainname === "" ? [hostname] : [`${hostname}.${spec.domainname}`, hostname];
  const addresses = place.endpoints.flatMap(({ address, v6 }) => [
    address,
    ...(v6 === undefined ? [] : [v6.address]),
  ]);
  const own = addresses.map((address) => ({ address: address.split("/")[0] ?? "", names: full }));
  return { hosts: [...own, ...extraHosts(spec, gateway)], dns: dnsOf(spec, place.dns) };
}

/** The user's words before the node's. At its own resolver a container stays: that asks whom the user named. */
function dnsOf({ container }: RunSpec, place: SandboxPlace["dns"]): ContainerConfig["dns"] {
  const { nameservers, search, options } = container.dns;
  const isOwn = place.nameservers.includes(RESOLVER);
  return {
    nameservers: nameservers.length > 0 && !isOwn ? nameservers : place.nameservers,
    search: search.length > 0 ? search : place.search,
    options: options.length > 0 ? options : place.options,
  };
}

const RESOLVER = "127.0.0.11";

/** "80/tcp": the ports that an image exposes. */
export function exposedBy({ config }: Pick<ResolvedImage, "config">): string[] {
  const ports = config["ExposedPorts"];
  return typeof ports === "object" && ports !== null ? Object.keys(ports) : [];
}
