import { closeSync, existsSync, openSync, readSync } from "node:fs";

/** A row of /proc/net/{tcp,udp}: "  0: 0100007F:1F90 00000000:0000 0A …": local address and port, remote ones, state. */
const ROW_REGEXP = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /;

/** Where the kernel lists sockets, and the state in which one takes what comes for its port (linux include/net/tcp_states.h). */
const TABLES = [
  { file: "tcp", protocol: "tcp", state: "0A" },
  { file: "tcp6", protocol: "tcp", state: "0A" },
  { file: "udp", protocol: "udp", state: "07" },
  { file: "udp6", protocol: "udp", state: "07" },
] as const;

const CHUNK_BYTES = 64 * 1024;

/**
 * The ports that programs of this network namespace wait at: "tcp/8080" by whatever address, and "tcp/8080@127.0.0.1" by that one,
 * "tcp/8080@*" by all of them. An IPv6 address other than all is not told.
 */
export function portsInUse(folder = "/proc/thread-self/net"): Set<string> {
  const ports = new Set<string>();
  for (const { file, protocol, state } of TABLES) {
    for (const row of rowsOf(`${folder}/${file}`)) {
      const [, address = "", port, found] = ROW_REGEXP.exec(row) ?? [];
      if (port === undefined) continue;
      if (found === state) {
        const name = `${protocol}/${Number.parseInt(port, 16)}`;
        const at = addressOf(address);
        ports.add(name);
        if (at !== undefined) ports.add(`${name}@${at}`);
      }
      // Sockets that listen are listed before connections, of which there may be very many.
      else if (protocol === "tcp") break;
    }
  }
  return ports;
}

/** "127.0.0.1" of "0100007F", as a little-endian machine prints it; "*" of nothing but zeros. */
function addressOf(hex: string): string | undefined {
  if (/^0+$/.test(hex)) return "*";
  return hex.length === 8 ? Buffer.from(hex, "hex").reverse().join(".") : undefined;
}

/** Where the kernel says how it follows connections; nothing is there before it has had to. */
const FOLLOWING = "/proc/sys/net/netfilter";

/**
 * Why SCTP ports cannot be published: to send an SCTP packet elsewhere than it was sent, the kernel must follow SCTP connections
 * (CONFIG_NF_CT_PROTO_SCTP), and then it has time-outs for them.
 */
export function lackOfSctp(folder: string = FOLLOWING): string {
  const has = (name: string) => existsSync(`${folder}/nf_conntrack_${name}`);
  if (!has("generic_timeout") || has("sctp_timeout_established")) return "";
  return "this kernel does not follow SCTP connections (CONFIG_NF_CT_PROTO_SCTP)";
}

/** The lines of a file, read no further than they are asked for; none of one that is not there (no IPv6). */
function* rowsOf(path: string): Generator<string> {
  if (!existsSync(path)) return;
  const file = openSync(path, "r");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let rest = "";
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      const lines = (rest + chunk.toString("latin1", 0, read)).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    closeSync(file);
  }
}
