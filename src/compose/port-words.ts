import type { Position, Problems } from "./problem.ts";
import { natural, object, type Read, text, untouched, word } from "./read.ts";

/** One port as the Engine API knows it; 0 lets the cluster choose the published one. */
export interface PortWords {
  readonly target: number;
  readonly published: number;
  readonly protocol: string;
  readonly mode: "ingress" | "host";
}

interface LongPort {
  target: number;
  published: string;
  protocol: "tcp" | "udp" | "sctp";
  mode: "ingress" | "host";
  host_ip: string;
  name: string;
  app_protocol: string;
}

const long = object<LongPort>("a port", {
  target: natural,
  published: text,
  protocol: word("tcp", "udp", "sctp"),
  mode: word("ingress", "host"),
  host_ip: text,
  name: untouched,
  app_protocol: untouched,
});

const SHORT_REGEXP =
  /^(?:(?<ip>\[[^\]]*\]|[^:[\]]*):)?(?:(?<host>[\d-]*):)?(?<target>[\d-]+)(?:\/(?<protocol>tcp|udp|sctp))?$/i;
const IGNORED_IP = "a published port is on every address of a node: the address is ignored";

/** Ports of one entry: `8080:80`, `8000-8010:80-90/udp`, `127.0.0.1:80:80`, or the long form. */
export const port: Read<PortWords[]> = (tree, problems, at) =>
  tree.kind === "scalar" ? shortPorts(String(tree.value), tree.at, problems) : longPort(tree, problems, at);

const longPort: Read<PortWords[]> = (tree, problems, at) => {
  const words = long(tree, problems, at);
  if (words === undefined) return undefined;
  const { target = 0, published, protocol = "tcp", mode = "ingress" } = words;
  if (target < 1 || target > 65_535) return problems.error(tree.at, "a port's target is from 1 to 65535");
  if (words.host_ip !== undefined && words.host_ip !== "0.0.0.0") problems.warn(tree.at, IGNORED_IP);
  const ports = published === undefined || published === "0" ? [0] : rangeOf(published);
  const [one] = ports ?? [];
  if (one === undefined) return problems.error(tree.at, "a published port is from 1 to 65535");
  if (ports?.length !== 1)
    return problems.error(tree.at, "a range to choose a published port from is not known to a swarm");
  return [{ target, published: one, protocol, mode }];
};

function shortPorts(said: string, at: Position, problems: Problems): PortWords[] | undefined {
  const wrong = (why: string) => problems.error(at, `cannot read the port "${said}": ${why}`);
  const normal = /^[\d-]+:[\d-]+(\/|$)/.test(said) ? `:${said}` : said;
  const { ip, host = "", target: wanted = "", protocol = "tcp" } = SHORT_REGEXP.exec(normal)?.groups ?? {};
  const targets = rangeOf(wanted);
  if (targets === undefined) return wrong("it is written [[address:]published:]target[/protocol]");
  const published = host === "" ? undefined : rangeOf(host);
  if (host !== "" && published === undefined)
    return wrong("its published ports are no range from 1 to 65535");
  if (ip !== undefined && !["", "0.0.0.0"].includes(ip)) problems.warn(at, IGNORED_IP);
  const many = published ?? targets.map(() => 0);
  if (many.length !== targets.length && targets.length !== 1)
    return wrong("as many ports must be published as there are targets");
  return many.map((one, i) => ({
    target: targets[i] ?? targets[0] ?? 0,
    published: one,
    protocol: protocol.toLowerCase(),
    mode: "ingress",
  }));
}

function rangeOf(text: string): number[] | undefined {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (!(first >= 1 && last <= 65_535 && first <= last)) return undefined;
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
