import { networkInterfaces } from "node:os";
import { Fault, parseIpv4 } from "../lib/index.ts";
import type { Config } from "./config.ts";

const CLUSTER_PORT = 2377;

function ownAddresses(): { device: string; address: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([device, all]) =>
    (all ?? [])
      .filter((a) => a.family === "IPv4" && !a.internal)
      .map((a) => ({ device, address: a.address })),
  );
}

/** Splits "10.0.0.1:2377" or "10.0.0.1"; the port is Swarm's 2377 unless said. */
export function splitAddress(text: string): { host: string; port: number } {
  const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  return { host, port: port === undefined ? CLUSTER_PORT : Number(port) };
}

/**
 * The IPv4 address to tell others: the one asked for (address or device name), else the only one there is.
 * `ignore`: devices that are ours. Fault "invalid" with Docker's words when it cannot be told.
 */
export function resolveAdvertise(asked: string | undefined, ignore: (device: string) => boolean): string {
  const own = ownAddresses().filter(({ device }) => !ignore(device));
  if (asked === undefined || asked === "") return onlyOne(own);
  const { host } = splitAddress(asked);
  const onDevice = own.filter(({ device }) => device === host);
  if (onDevice.length > 0) return onlyOne(onDevice);
  if (host === "0.0.0.0") throw new Fault("invalid", "advertise address must be a non-zero IP address");
  if (parseIpv4(host) === undefined) {
    throw new Fault(
      "invalid",
      "advertise address must be a non-zero IP address or network interface (with optional port number)",
    );
  }
  return host;
}

/** How this node is reached, as asked for in a request, else as configured, else as the machine is. */
export interface NodeAddresses {
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  /** "0.0.0.0:2377". */
  readonly listenAddress: string;
  /** Where other nodes find this one, should it be a manager. */
  readonly managerAddress: string;
}

/** Faults "invalid" as `resolveAdvertise`'s. */
export function resolveAddresses(
  config: Config,
  asked: {
    readonly listenAddress: string;
    readonly advertiseAddress: string;
    readonly dataPathAddress: string;
  },
): NodeAddresses {
  const isOurs = (device: string) => device.startsWith(`${config["kernel-tag"]}-`);
  const listen = splitAddress(asked.listenAddress || "0.0.0.0");
  const wanted = asked.advertiseAddress || config["advertise-addr"];
  const advertiseAddress = resolveAdvertise(wanted, isOurs);
  const dataPath = asked.dataPathAddress || config["data-path-addr"];
  const dataPathAddress = dataPath ? resolveAdvertise(dataPath, isOurs) : advertiseAddress;
  const port = /:\d+$/.test(wanted ?? "") ? splitAddress(wanted ?? "").port : listen.port;
  return {
    advertiseAddress,
    dataPathAddress,
    listenAddress: `${listen.host || "0.0.0.0"}:${listen.port}`,
    managerAddress: `${advertiseAddress}:${port}`,
  };
}

function onlyOne(own: readonly { device: string; address: string }[]): string {
  const [first, second] = own;
  if (first === undefined) {
    throw new Fault("invalid", "could not find the system's IP address - specify one with --advertise-addr");
  }
  if (second !== undefined) {
    const hint = `(${first.address} on interface ${first.device} and ${second.address} on interface ${second.device})`;
    throw new Fault(
      "invalid",
      `could not choose an IP address to advertise since this system has multiple addresses on different interfaces ${hint} - specify one with --advertise-addr`,
    );
  }
  return first.address;
}
