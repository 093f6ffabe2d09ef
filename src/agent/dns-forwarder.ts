import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Clock } from "../lib/index.ts";
import { TcpFrames, withLength } from "./dns-frames.ts";

const DNS_PORT = 53;
/** Docker's: extIOTimeout 4 s in all, some of it for each (moby libnetwork/resolver.go). */
const TRY_MS = 2_000;
/** SERVFAIL, NOTIMP, REFUSED: another upstream may do better (as glibc has it, resolv/res_send.c). */
const WORTH_ANOTHER: ReadonlySet<number> = new Set([2, 4, 5]);

export interface Upstream {
  readonly address: string;
  readonly port?: number;
}

/**
 * What the upstreams say, asked one after the other: the first real answer, or else the first refusal; undefined when none
 * answers. The message goes and comes as it is, with the asker's EDNS.
 */
export async function forwardQuery(
  message: Uint8Array,
  upstreams: readonly Upstream[],
  over: "udp" | "tcp",
  clock: Clock,
): Promise<Buffer | undefined> {
  let refusal: Buffer | undefined;
  for (const upstream of upstreams) {
    const answer = await (over === "udp" ? askUdp : askTcp)(message, upstream, clock);
    if (answer === undefined) continue;
    if (!WORTH_ANOTHER.has((answer[3] ?? 0) & 0x0f)) return answer;
    refusal ??= answer;
  }
  return refusal;
}

/** A socket, and so a random port, for each question: answers are hard to forge (RFC 5452). */
function askUdp(
  message: Uint8Array,
  { address, port = DNS_PORT }: Upstream,
  clock: Clock,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    let isOpen = true;
    const finish = (answer?: Buffer) => {
      if (!isOpen) return;
      isOpen = false;
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    const timer = clock.after(TRY_MS, () => finish());
    socket.on("error", () => finish());
    socket.on("message", (answer) => {
      if (answers(answer, message)) finish(answer);
    });
    // Connected: the kernel lets in nobody else's answers, and tells when nobody listens there.
    // The callback also gets a failure (no route there), which dgram's documents leave out.
    socket.connect(port, address, (failure?: Error) => {
      if (failure !== undefined) finish();
      else if (isOpen) socket.send(message, (unsent) => unsent && finish());
    });
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
