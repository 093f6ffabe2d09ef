import { z } from "zod";
import { Fault, isIpv6, subnetsOf } from "../lib/index.ts";
import {
  ENCRYPTED_OPTION,
  type IpamConfig,
  ipamOf,
  type Network,
  type NetworkSide,
  type NetworkSpec,
  ROTATION_OPTION,
  SCHEDULER_OPTION,
} from "../model/index.ts";
import { dict, flag, goStruct, listOf, maybe, omitEmpty, readJson, text, unserved } from "./json.ts";
import { checkName } from "./service-check.ts";
import { formatTime } from "./time.ts";

/** Where Docker shows the VNIs of a network, one a subnet; ours has one for all of them. */
const VNI_OPTION = "com.docker.network.driver.overlay.vxlanid_list";

const V4 = "cannot use --ipv4=false: overlay networks have IPv4, and IPv6 beside it";

const ipamConfig = goStruct({
  Subnet: text,
  IPRange: text,
  Gateway: text,
  AuxiliaryAddresses: dict,
}).transform((wire): IpamConfig => {
  const aux = Object.keys(wire.AuxiliaryAddresses).length > 0;
  return {
    ...(wire.Subnet !== "" && { subnet: wire.Subnet }),
    ...(wire.Gateway !== "" && { gateway: wire.Gateway }),
    ...(wire.IPRange !== "" && { ipRange: wire.IPRange }),
    ...(aux && { auxAddresses: wire.AuxiliaryAddresses }),
  };
});

const createSchema = goStruct({
  Name: text,
  CheckDuplicate: flag,
  Driver: text,
  Scope: text,
  EnableIPv4: maybe(z.boolean()),
  EnableIPv6: flag,
  IPAM: maybe(goStruct({ Driver: text, Options: dict, Config: listOf(ipamConfig) })),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: unserved("cannot use --config-only: it is not supported"),
  ConfigFrom: unserved("cannot use --config-from: it is not supported"),
  Options: dict,
  Labels: dict,
});

/** The body of `POST /networks/create`, with a zero value for what is not said. */
export interface NetworkWords {
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly EnableIPv4?: boolean | undefined;
  readonly EnableIPv6: boolean;
  readonly IPAM?:
    | { readonly Driver: string; readonly Options: Record<string, string>; readonly Config: IpamConfig[] }
    | undefined;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly Options: Record<string, string>;
  readonly Labels: Record<string, string>;
}

export function readNetworkWords(json: unknown): NetworkWords {
  return readJson(createSchema, json, "network");
}

/** Docker's drivers that Shoal does not make networks with. */
const UNSERVED_DRIVERS = ["macvlan", "ipvlan", "host", "null", "none"];

/** Options of an overlay that are known; whether one can be had is the control's to say. */
const DRIVER_OPTIONS = [ENCRYPTED_OPTION, ROTATION_OPTION, SCHEDULER_OPTION, "com.docker.network.driver.mtu"];

/**
 * A network spec from `POST /networks/create`, checked as Swarm does.
 * Faults: "invalid"; "not-found" for an unknown driver, as Docker; "unsupported" for one of Docker's other drivers.
 */
export function networkSpecFromWire(json: unknown): NetworkSpec {
  const wire = readNetworkWords(json);
  checkDriver(wire.Driver, wire.Scope);
  checkName(wire.Name);
  const ipam = wire.IPAM?.Config ?? [];
  if (wire.EnableIPv4 === false) throw new Fault("unsupported", V4);
  checkIpam(wire.IPAM?.Driver ?? "", ipam, wire.EnableIPv6);
  const strange = Object.keys(wire.Options).find((key) => !DRIVER_OPTIONS.includes(key));
  if (strange !== undefined) {
    throw new Fault(
      "unsupported",
      `cannot use --opt ${strange}: it is not supported by overlay networks yet`,
    );
  }
  if (wire.Ingress && wire.Attachable) {
    const what = "ingress network cannot be attachable";
    throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  }
  if (wire.Ingress && wire.EnableIPv6) {
    const what = "the ingress network takes IPv6 clients by itself";
    throw new Fault("unsupported", `cannot use --ipv6 with --ingress: ${what}`);
  }
  return {
    name: wire.Name,
    labels: wire.Labels,
    driver: "overlay",
    driverOptions: wire.Options,
    attachable: wire.Attachable,
    internal: wire.Internal,
    ingress: wire.Ingress,
    ...(wire.EnableIPv6 && { ipv6: true }),
    ipam,
    ipamDriver: wire.IPAM?.Driver || "default",
    ipamOptions: wire.IPAM?.Options ?? {},
  };
}

/** Which driver a request asks for; "" is Docker's default, bridge. For the checks that come before all others. */
export function wantedDriver(json: unknown): string {
  const driver = typeof json === "object" && json !== null && "Driver" in json ? json.Driver : "";
  return typeof driver === "string" ? driver : "";
}

function checkDriver(driver: string, scope: string): void {
  const name = driver || "bridge";
  if (UNSERVED_DRIVERS.includes(name)) {
    const what = "Shoal makes bridge and overlay networks only so far";
    throw new Fault("unsupported", `cannot create a network with driver ${name}: ${what}`);
  }
  if (name !== "overlay") {
    throw new Fault("not-found", `could not find plugin ${name} in v1 plugin registry: plugin not found`);
  }
  if (scope !== "" && scope !== "swarm") {
    throw new Fault("invalid", `cannot create an overlay network with scope ${scope}: its scope is swarm`);
  }
}

export function checkIpam(driver: string, configs: readonly IpamConfig[], ipv6: boolean): void {
  if (driver !== "" && driver !== "default") {
    const what = `invalid ipam driver ${driver}: only the default one is served`;
    throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  }
  const stray = configs.find(({ subnet = "" }) => isIpv6(subnet));
  if (stray !== undefined && !ipv6)
    throw new Fault("invalid", `cannot use subnet ${stray.subnet}: it is IPv6, and --ipv6 is not said`);
}

/** A cluster network in Docker's JSON (NetworkResource); what `network inspect --verbose` adds to it is not built. */
export function networkToWire(network: Network): Record<string, unknown> {
  const { spec, state } = network;
  return {
    Name: spec.name,
    Id: network.id,
    Created: formatTime(network.createdAt),
    Scope: "swarm",
    Driver: spec.driver,
    EnableIPv4: true,
    EnableIPv6: spec.ipv6 ?? false,
    IPAM: {
      Driver: spec.ipamDriver,
      Options: Object.keys(spec.ipamOptions).length > 0 ? spec.ipamOptions : null,
      Config: ipamToWire(network),
    },
    Internal: spec.internal,
    Attachable: spec.attachable,
    Ingress: spec.ingress,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: null,
    Options: { ...spec.driverOptions, ...(state !== undefined && { [VNI_OPTION]: String(state.vni) }) },
    Labels: spec.labels,
  };
}

/** What was handed out, or as long as nothing was, what was asked for. */
function ipamToWire({ spec, state }: Network): Record<string, unknown>[] {
  if (state === undefined) return spec.ipam.map(ipamConfigToWire);
  return [
    ...sideToWire(state, ipamOf(spec, 4)),
    ...(state.v6 === undefined ? [] : sideToWire(state.v6, ipamOf(spec, 6))),
  ];
}

function sideToWire(side: NetworkSide, asked: readonly IpamConfig[]): Record<string, unknown>[] {
  return subnetsOf(side).map(({ subnet, gateway, ipRange }, i) => {
    const auxAddresses = asked[i]?.auxAddresses;
    return ipamConfigToWire({
      ...{ subnet, gateway },
      ...(ipRange !== undefined && { ipRange }),
      ...(auxAddresses !== undefined && { auxAddresses }),
    });
  });
}

function ipamConfigToWire(config: IpamConfig): Record<string, unknown> {
  return omitEmpty({
    Subnet: config.subnet,
    IPRange: config.ipRange,
    Gateway: config.gateway,
    AuxiliaryAddresses: config.auxAddresses,
  });
}

/** A network as a task's attachment tells it (swarm.Network, which differs from NetworkResource). */
export function attachedNetworkToWire(network: Network): Record<string, unknown> {
  const { spec, state } = network;
  return {
    ID: network.id,
    Version: { Index: network.version },
    CreatedAt: formatTime(network.createdAt),
    UpdatedAt: formatTime(network.updatedAt),
    Spec: {
      Name: spec.name,
      Labels: spec.labels,
      DriverConfiguration: omitEmpty({ Name: spec.driver, Options: spec.driverOptions }),
      ...omitEmpty({
        IPv6Enabled: spec.ipv6,
        Internal: spec.internal,
        Attachable: spec.attachable,
        Ingress: spec.ingress,
      }),
      IPAMOptions: {
        Driver: { Name: spec.ipamDriver },
        ...omitEmpty({ Configs: spec.ipam.map(ipamConfigToWire) }),
      },
      Scope: "swarm",
    },
    ...(state !== undefined && {
      DriverState: { Name: spec.driver, Options: { [VNI_OPTION]: String(state.vni) } },
      IPAMOptions: { Driver: { Name: spec.ipamDriver }, Configs: ipamToWire(network) },
    }),
  };
}
