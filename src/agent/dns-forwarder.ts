import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { Clock } from "../lib/index.ts";
import { TcpFrames, withLength } from "./dns-frames.ts";

const DNS_PORT = 53;
/** Docker's: extIOTimeout 4 s in all, some of it for each (moby libnetwork/resolver.go). */
const TRY_MS = 2_000;

export interface Upstream {
  readonly address: string;
  readonly port?: number;
}

/** The first answer of the upstreams, asked one after the other; undefined when none answers. The message goes as it is. */
export async function forwardQuery(
  message: Uint8Array,
  upstreams: readonly Upstream[],
  over: "udp" | "tcp",
  clock: Clock,
): Promise<Buffer | undefined> {
  for (const upstream of upstreams) {
    const answer = await (over === "udp" ? askUdp : askTcp)(message, upstream, clock);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** A socket, and so a random port, for each question: answers are hard to forge (RFC 5452). */
function askUdp(
  message: Uint8Array,
  { address, port = DNS_PORT }: Upstream,
  clock: Clock,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const finish = (answer?: Buffer) => {
      timer.cancel();
      socket.removeAllListeners("message");
      socket.close();
      resolve(answer);
    };
    const timer = clock.after(TRY_MS, () => finish());
    socket.on("error", () => finish());
    socket.on("message", (answer) => {
      if (answers(answer, message)) finish(answer);
    });
    // Connected: the kernel lets in nobody else's answers.
    socket.connect(port, address, () => socket.send(message));
  });
}

function askTcp(
  message: Uint8Array,
  { address, port = DNS_PORT }: Upstream,
  clock: Clock,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port }, () => socket.write(withLength(message)));
    const frames = new TcpFrames();
    const finish = (answer?: Buffer) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(TRY_MS, () => finish());
    socket.on("error", () => finish());
    socket.on("close", () => finish());
    socket.on("data", (chunk) => {
      const answer = frames.take(chunk).find((frame) => answers(frame, message));
      if (answer !== undefined) finish(answer);
    });
  });
}

/** Same id, and a response. */
function answers(answer: Uint8Array, query: Uint8Array): boolean {
  const isResponse = ((answer[2] ?? 0) & 0x80) !== 0;
  return answer.length >= 12 && isResponse && answer[0] === query[0] && answer[1] === query[1];
}
