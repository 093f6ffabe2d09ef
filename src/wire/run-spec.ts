import { z } from "zod";
import { Fault } from "../lib/index.ts";
import { type ContainerSpec, HOST_GATEWAY, peerOf, type RunNetwork, type RunSpec } from "../model/index.ts";
import { volume } from "./bind.ts";
import { checkContainer } from "./container-check.ts";
import { healthSchema } from "./health-check.ts";
import { dict, flag, goStruct, maybe, readJson, text, texts, unserved } from "./json.ts";
import { type HostWords, hostConfigSchema } from "./run-host-config.ts";
import { splitPort } from "./run-ports.ts";
import { checkSharedNetwork } from "./shared-network.ts";

const emptyObjects = maybe(z.record(z.string(), z.unknown()));
/** A list of words, or one word, as Config.Cmd and Entrypoint may be. */
const words = maybe(z.union([z.array(z.string()), z.string().transform((word) => [word])]));
/** Seconds. */
const seconds = maybe(z.int().min(-1));

const endpoint = goStruct({
  IPAMConfig: maybe(
    goStruct({
      IPv4Address: text,
      IPv6Address: text,
      LinkLocalIPs: unserved("cannot use --link-local-ip: it is not supported"),
    }),
  ),
  Links: unserved("cannot use --link: networks give names"),
  Aliases: texts,
  MacAddress: unserved("cannot use --mac-address: addresses make their own"),
  DriverOpts: unserved("cannot use driver-opt of a network: it is not supported yet"),
  GwPriority: unserved("cannot use gw-priority of a network: it is not supported yet"),
  // What inspect shows of an endpoint, and some clients send back.
  ...{
    NetworkID: z.unknown().optional(),
    EndpointID: z.unknown().optional(),
    Gateway: z.unknown().optional(),
    IPAddress: z.unknown().optional(),
  },
  ...{
    IPPrefixLen: z.unknown().optional(),
    IPv6Gateway: z.unknown().optional(),
    GlobalIPv6Address: z.unknown().optional(),
  },
  ...{ GlobalIPv6PrefixLen: z.unknown().optional(), DNSNames: z.unknown().optional() },
});

const schema = goStruct({
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: emptyObjects,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: texts,
  Cmd: words,
  Healthcheck: healthSchema,
  ArgsEscaped: flag,
  Image: text,
  Volumes: emptyObjects,
  WorkingDir: text,
  Entrypoint: words,
  NetworkDisabled: unserved("cannot use NetworkDisabled: say --network none"),
  MacAddress: unserved("cannot use --mac-address: addresses make their own"),
  OnBuild: texts,
  Labels: dict,
  StopSignal: text,
  StopTimeout: seconds,
  Shell: texts,
  HostConfig: maybe(hostConfigSchema),
  NetworkingConfig: maybe(goStruct({ EndpointsConfig: maybe(z.record(z.string(), endpoint.nullable())) })),
});

type Wire = z.output<typeof schema>;
type Endpoint = z.output<typeof endpoint>;

/** Reads the body of POST /containers/create. Faults: "invalid" in Docker's words, "unsupported" that name the flag. */
export function runSpecFromWire(body: unknown): RunSpec {
  const wire = readJson(schema, body, "container");
  const host = wire.HostConfig ?? readJson(hostConfigSchema, {}, "container");
  if (wire.Image === "") throw new Fault("invalid", "config cannot be empty in order to create a container");
  if (host.autoRemove && host.restart.name !== "no") {
    throw new Fault("invalid", "can't create 'AutoRemove' container with restart policy");
  }
  const { log, machine, ports, publishAll, restart, autoRemove, resources } = host;
  const container = containerOf(wire, host);
  // The host's gateway is one that its node knows.
  checkContainer({ ...container, hosts: container.hosts.filter((line) => !line.startsWith(HOST_GATEWAY)) });
  if (wire.Hostname !== "" && machine?.hostNamespaces.includes("uts")) {
    throw new Fault("invalid", "conflicting options: hostname and the UTS mode");
  }
  const spec: RunSpec = {
    ...{ container, domainname: wire.Domainname, resources, log, ports, publishAll },
    ...(machine !== undefined && { machine }),
    ...networksOf(wire, host.networkMode),
    exposed: exposedOf(wire),
    ...{ restart, autoRemove, stdinOnce: wire.StdinOnce },
    attach: { stdin: wire.AttachStdin, stdout: wire.AttachStdout, stderr: wire.AttachStderr },
  };
  checkSharedNetwork(spec);
  return spec;
}

function containerOf(wire: Wire, host: HostWords): ContainerSpec {
  const { capabilityAdd, capabilityDrop, dns, groups, hosts, oomScoreAdj, readOnly, sysctls, ulimits } = host;
  const taken = new Set(host.mounts.map(({ target }) => target));
  const bare = Object.keys(wire.Volumes ?? {}).filter((target) => !taken.has(target));
  return {
    image: wire.Image,
    labels: wire.Labels,
    command: wire.Entrypoint ?? [],
    args: wire.Cmd ?? [],
    hostname: wire.Hostname,
    env: wire.Env,
    dir: wire.WorkingDir,
    user: wire.User,
    ...{ groups, hosts, dns, capabilityAdd, capabilityDrop, sysctls, ulimits, oomScoreAdj, readOnly },
    tty: wire.Tty,
    openStdin: wire.OpenStdin,
    ...(host.init !== undefined && { init: host.init }),
    stopSignal: wire.StopSignal,
    ...(wire.StopTimeout !== undefined && { stopGraceMs: graceOf(wire.StopTimeout) }),
    mounts: [...host.mounts, ...bare.map((target) => volume("", target))],
    ...(wire.Healthcheck !== undefined && { health: wire.Healthcheck }),
    ...(host.privileges !== undefined && { privileges: host.privileges }),
  };
}

/** Docker's -1 waits for ever; a day is as good, and a timer can hold it. */
const FOR_EVER_MS = 86_400_000;

/** Seconds as the stop timeout says them. */
export function graceOf(seconds: number): number {
  return seconds < 0 ? FOR_EVER_MS : seconds * 1000;
}

function exposedOf({ ExposedPorts }: Wire): string[] {
  return Object.keys(ExposedPorts ?? {}).map((key) => {
    const { target, protocol } = splitPort(key);
    return `${target}/${protocol}`;
  });
}

const ALONE: ReadonlySet<string> = new Set(["host", "none"]);
const DEFAULT_NETWORK = "bridge";

function networksOf(wire: Wire, mode: string): Pick<RunSpec, "networkMode" | "networks"> {
  // "default" is the CLI's word for the first of the node's own.
  const endpoints = Object.entries(wire.NetworkingConfig?.EndpointsConfig ?? {}).map(
    ([ref, words]) => [ref === "default" ? DEFAULT_NETWORK : ref, words] as const,
  );
  if (ALONE.has(mode) || peerOf(mode) !== undefined) return { networkMode: mode, networks: [] };
  const first = mode === "default" ? (endpoints.map(([ref]) => ref)[0] ?? mode) : mode;
  const isFirst = ([ref]: (typeof endpoints)[number]) => ref === first;
  const own = endpoints.find(isFirst)?.[1] ?? undefined;
  const others = endpoints.filter((entry) => !isFirst(entry));
  return {
    networkMode: mode,
    networks: [
      networkOf(first === "default" ? DEFAULT_NETWORK : first, own),
      ...others.map(([ref, words]) => networkOf(ref, words ?? undefined)),
    ],
  };
}

/** What is said of a container's place on one network, also when it is connected later. */
function networkOf(ref: string, wire: Endpoint | undefined): RunNetwork {
  const { IPv4Address: address = "", IPv6Address: address6 = "" } = wire?.IPAMConfig ?? {};
  return {
    ref,
    aliases: wire?.Aliases ?? [],
    ...(address !== "" && { address }),
    ...(address6 !== "" && { address6 }),
  };
}
