import { z } from "zod";
import { Fault, isIpv6 } from "../lib/index.ts";
import type { BridgeSpec, LocalNetwork } from "../model/index.ts";
import { dict, goStruct, maybe, omitEmpty, readJson, text, texts } from "./json.ts";
import { checkIpam, readNetworkWords } from "./network.ts";
import { formatTime } from "./time.ts";

/** Docker's name rule for what belongs to a node (moby daemon/names), and names of one character. */
const NAME_REGEXP = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** What every node has of itself, by names that nobody else can take. */
const PREDEFINED = ["bridge", "host", "none", "default"];

const MTU_OPTION = "com.docker.network.driver.mtu";
/** Options, and what of them can be had. */
const SERVED: Readonly<Record<string, readonly string[]>> = {
  "com.docker.network.bridge.enable_icc": ["true", "false"],
  "com.docker.network.bridge.enable_ip_masquerade": ["true"],
  "com.docker.network.bridge.host_binding_ipv4": ["0.0.0.0"],
};
const MTU = { least: 68, most: 65_535 } as const;

/** Whether a `POST /networks/create` is about a bridge network of this node: Docker's default driver. */
export function isBridgeWanted(driver: string): boolean {
  return driver === "" || driver === "bridge";
}

/**
 * A bridge network from `POST /networks/create`. Faults: "invalid"; "forbidden" for a name of Docker's own, and for two subnets of
 * one family, as Docker; "unsupported" for options that are not served.
 */
export function bridgeSpecFromWire(json: unknown): BridgeSpec {
  const wire = readNetworkWords(json);
  checkBridgeName(wire.Name);
  if (wire.Scope !== "" && wire.Scope !== "local")
    throw new Fault(
      "unsupported",
      `cannot create a bridge network with scope ${wire.Scope}: its scope is local`,
    );
  if (wire.Ingress) throw new Fault("invalid", "Ingress network can only be global scope network");
  if (wire.EnableIPv4 === false)
    throw new Fault("unsupported", "cannot use --ipv4=false: bridge networks have IPv4, and IPv6 beside it");
  const ipam = wire.IPAM?.Config ?? [];
  checkIpam(wire.IPAM?.Driver ?? "", ipam, wire.EnableIPv6);
  const six = ipam.filter(({ subnet = "" }) => isIpv6(subnet)).length;
  if (six > 1 || ipam.length - six > 1)
    throw new Fault("forbidden", "bridge driver doesn't support multiple subnets");
  for (const [key, value] of Object.entries(wire.Options)) checkOption(key, value);
  return {
    ...{ name: wire.Name, labels: wire.Labels, options: wire.Options, ipam },
    ...{ internal: wire.Internal, attachable: wire.Attachable, ipv6: wire.EnableIPv6 },
  };
}

function checkBridgeName(name: string): void {
  if (PREDEFINED.includes(name))
    throw new Fault("forbidden", `operation is not permitted on predefined ${name} network`);
  if (NAME_REGEXP.test(name)) return;
  const what =
    'includes invalid characters for a local network name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed';
  throw new Fault("invalid", name === "" ? "invalid name: name is empty" : `${name} ${what}`);
}

function checkOption(key: string, value: string): void {
  if (SERVED[key]?.includes(value)) return;
  if (key !== MTU_OPTION)
    throw new Fault(
      "unsupported",
      `cannot use --opt ${key}=${value}: it is not supported by bridge networks yet`,
    );
  const mtu = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (mtu < MTU.least || mtu > MTU.most) throw new Fault("invalid", `invalid value for ${key}: ${value}`);
}

/** A network that the node knows by itself, in Docker's JSON. */
export function localNetworkToWire(network: LocalNetwork): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: formatTime(network.createdAt),
    Scope: network.scope,
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: network.v6 !== undefined,
    IPAM: {
      Driver: "default",
      Options: network.custom ? {} : null,
      Config: network.subnet === "" ? null : ipamOf(network),
    },
    Internal: network.internal,
    Attachable: network.attachable ?? false,
    Ingress: network.ingress,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: network.options ?? {},
    Labels: network.labels ?? {},
  };
}

function ipamOf({ subnet, gateway, ipRange, auxAddresses, v6 }: LocalNetwork): Record<string, unknown>[] {
  const four = { Subnet: subnet, IPRange: ipRange, Gateway: gateway, AuxiliaryAddresses: auxAddresses };
  const six = v6 === undefined ? [] : [{ Subnet: v6.subnet, Gateway: v6.gateway }];
  return [omitEmpty(four), ...six];
}

const connectSchema = goStruct({
  Container: text,
  EndpointConfig: maybe(
    z.looseObject({
      Aliases: texts,
      IPAMConfig: maybe(z.looseObject({ IPv4Address: text, IPv6Address: text })),
      DriverOpts: dict,
    }),
  ),
});

/** What a container asks of a network that it is connected to. */
export interface Connection {
  readonly container: string;
  readonly aliases: readonly string[];
  readonly address?: string;
  readonly address6?: string;
}

/** Of `POST /networks/{id}/connect`. */
export function connectionFromWire(json: unknown): Connection {
  const { Container: container, EndpointConfig } = readJson(connectSchema, json, "request");
  const { IPv4Address = "", IPv6Address = "" } = EndpointConfig?.IPAMConfig ?? {};
  return {
    ...{ container, aliases: EndpointConfig?.Aliases ?? [] },
    ...(IPv4Address !== "" && { address: IPv4Address }),
    ...(IPv6Address !== "" && { address6: IPv6Address }),
  };
}
