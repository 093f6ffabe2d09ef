import { Fault } from "../lib/index.ts";
import type { RunPort } from "../model/index.ts";

/** What `-p` becomes in HostConfig.PortBindings (moby go-connections nat.PortMap). */
export type PortBindings = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
const MAX_PORT = 65_535;

/** "80/tcp", "80" → number and protocol. Fault "invalid" in Docker's words. */
export function splitPort(text: string): Pick<RunPort, "target" | "protocol"> {
  const [number = "", word = "tcp"] = text.split("/", 2);
  const protocol = PROTOCOLS.find((known) => known === word.toLowerCase());
  if (protocol === undefined) throw new Fault("invalid", `Invalid proto: ${word}`);
  return { target: portNumber(number, "container"), protocol };
}

function portNumber(text: string, whose: "container" | "host"): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= MAX_PORT && (port > 0 || whose === "host")) return port;
  throw new Fault("invalid", `invalid ${whose} port: ${text}`);
}

/** A range of the host's ports ("8000-8010") stands for its first free one with Docker; it is refused here. */
export function portsFromWire(bindings: PortBindings): RunPort[] {
  return Object.entries(bindings).flatMap(([key, places]) => {
    const port = splitPort(key);
    const asked = places === null || places.length === 0 ? [{ HostIp: "", HostPort: "" }] : places;
    return asked.map(({ HostIp, HostPort }): RunPort => {
      if (HostPort.includes("-")) {
        throw new Fault(
          "unsupported",
          `cannot publish ${HostPort}:${key}: a range for one port is not supported yet`,
        );
      }
      const published = HostPort === "" ? 0 : portNumber(HostPort, "host");
      const isAny = HostIp === "" || HostIp === "0.0.0.0" || HostIp === "::";
      return { ...port, published, ...(!isAny && { hostAddress: HostIp }) };
    });
  });
}

/** The ports as they were asked for. */
export function portsToWire(
  ports: readonly RunPort[],
): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { protocol, target, published, hostAddress = "" } of ports) {
    const key = `${target}/${protocol}`;
    const row = { HostIp: hostAddress, HostPort: published === 0 ? "" : String(published) };
    bindings[key] = [...(bindings[key] ?? []), row];
  }
  return bindings;
}
