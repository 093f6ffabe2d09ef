import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Clock } from "../lib/index.ts";
import { TcpFrames, withLength } from "./frames.ts";
import { type Over, type Upstream, UpstreamHealth } from "./upstream-health.ts";

const DNS_PORT = 53;
/** Docker's: extIOTimeout 4 s in all, some of it for each (moby libnetwork/resolver.go). */
const TRY_MS = 2_000;
/** SERVFAIL, NOTIMP, REFUSED: another upstream may do better (as glibc has it, resolv/res_send.c). */
const WORTH_ANOTHER: ReadonlySet<number> = new Set([2, 4, 5]);

/** Asks upstreams, and remembers which of them answer. */
export class Forwarder {
  readonly #clock: Clock;
  readonly #health: UpstreamHealth;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#health = new UpstreamHealth(clock);
  }

  /**
   * What the upstreams say, asked one after the other: the first real answer, or else the first refusal; undefined when none
   * answers. The message goes and comes as it is, with the asker's EDNS, but for its id: outside it is one that nobody can guess, since
   * the asker's own may be. One that did not answer lately is asked after the others.
   */
  async ask(message: Uint8Array, upstreams: readonly Upstream[], over: Over): Promise<Buffer | undefined> {
    const { inTurn, beside } = this.#health.turnsOf(upstreams, over);
    // What comes of it is noted there.
    for (const upstream of beside) void this.#askOne(message, upstream, over);
    let refusal: Buffer | undefined;
    for (const upstream of inTurn) {
      const answer = await this.#askOne(message, upstream, over);
      if (answer === undefined) continue;
      if (!WORTH_ANOTHER.has((answer[3] ?? 0) & 0x0f)) return answer;
      refusal ??= answer;
    }
    return refusal;
  }

  async #askOne(message: Uint8Array, upstream: Upstream, over: Over): Promise<Buffer | undefined> {
    const askedAt = this.#clock.now();
    const asked = withId(message, randomInt(0x1_0000));
    const said = await (over === "udp" ? askUdp : askTcp)(asked, upstream, this.#clock);
    if (said === undefined) {
      this.#health.unanswered(upstream, over, askedAt);
      return undefined;
    }
    this.#health.answered(upstream, over);
    return withId(said, Buffer.from(message).readUInt16BE(0));
  }
}

/** A socket, and so a random port, for each question: answers are hard to forge (RFC 5452). */
function askUdp(
  message: Buffer,
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
  message: Buffer,
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

function withId(message: Uint8Array, id: number): Buffer {
  const bytes = Buffer.from(message);
  bytes.writeUInt16BE(id, 0);
  return bytes;
}

const HEADER_BYTES = 12;

/** A response with the same id and, unless it repeats none, the same question but for case (RFC 5452, 9.1). */
function answers(answer: Buffer, query: Buffer): boolean {
  if (answer.length < HEADER_BYTES || ((answer[2] ?? 0) & 0x80) === 0) return false;
  if (answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  return answer.readUInt16BE(4) === 0 || questionOf(answer) === questionOf(query);
}

/** The first question, as text to compare: its name, uncompressed as the first of a message is, in lowercase, type and class. */
function questionOf(message: Buffer): string {
  let at = HEADER_BYTES;
  while ((message[at] ?? 0) !== 0) at += (message[at] ?? 0) + 1;
  const name = message.toString("latin1", HEADER_BYTES, at).toLowerCase();
  return name + message.toString("latin1", at, at + 5);
}
