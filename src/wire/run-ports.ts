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

/** "8080", a range of which any free one is meant ("8000-8010"), or nothing: any free one at all. */
function publishedOf(text: string): Pick<RunPort, "published" | "publishedLast"> {
  if (text === "") return { published: 0 };
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (first === undefined || last === undefined) return { published: portNumber(text, "host") };
  const [published, publishedLast] = [portNumber(first, "host"), portNumber(last, "host")];
  if (published === 0 || published > publishedLast)
    throw new Fault("invalid", `invalid port specification: "${text}"`);
  return published === publishedLast ? { published } : { published, publishedLast };
}

/** Faults "invalid" in Docker's words. */
export function portsFromWire(bindings: PortBindings): RunPort[] {
  return Object.entries(bindings).flatMap(([key, places]) => {
    const port = splitPort(key);
    const asked = places === null || places.length === 0 ? [{ HostIp: "", HostPort: "" }] : places;
    return asked.map(({ HostIp, HostPort }): RunPort => {
      const isAny = HostIp === "" || HostIp === "0.0.0.0" || HostIp === "::";
      return { ...port, ...publishedOf(HostPort), ...(!isAny && { hostAddress: HostIp }) };
    });
  });
}

/** The ports as they were asked for. */
export function portsToWire(
  ports: readonly RunPort[],
): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { protocol, target, published, publishedLast, hostAddress = "" } of ports) {
    const key = `${target}/${protocol}`;
    const number = publishedLast === undefined ? `${published || ""}` : `${published}-${publishedLast}`;
    const row = { HostIp: hostAddress, HostPort: number };
    bindings[key] = [...(bindings[key] ?? []), row];
  }
  return bindings;
}
