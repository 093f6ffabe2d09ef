import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { NetworkFacts } from "../dataplane/index.ts";
import { answerQuery, fitUdp, type Query, readQuery, writeAnswer, type Zone } from "../dns/index.ts";
import { aborted, type Clock, type Log, messageOf, sleep } from "../lib/index.ts";
import { forwardQuery, type Upstream } from "./dns-forwarder.ts";
import { TcpFrames, withLength } from "./dns-frames.ts";
import { zoneFor } from "./dns-zone.ts";

export interface DnsServerParts {
  /** Where tasks ask: the gateway bridge's address. */
  readonly address: string;
  /** 53 when absent. */
  readonly port?: number;
  readonly upstreams: readonly string[];
  /** The upstreams' port: 53 when absent. */
  readonly upstreamPort?: number;
  /** What is known now. */
  facts(): NetworkFacts;
  readonly clock: Clock;
  readonly log: Log;
}

const DNS_PORT = 53;
const BIND_RETRY_MS = 100;
const TCP_IDLE_MS = 10_000;
/** Per node; more ask at once only when something floods. */
const MAX_TCP_CONNECTIONS = 512;
/** Docker's bound on questions to the outside under way (moby libnetwork/resolver.go). */
const MAX_FORWARDED = 1_024;

/** The resolver behind 127.0.0.11: knows who asks by the source address, and answers only what he may know. */
export class DnsServer {
  readonly #parts: DnsServerParts;
  readonly #upstreams: readonly Upstream[];
  #turn = 0;
  /** What each asker may know, for as long as the facts are the same. */
  #zones: { readonly of: NetworkFacts | undefined; readonly byAsker: Map<string, Zone | undefined> };
  #forwarded = 0;

  constructor(parts: DnsServerParts) {
    this.#parts = parts;
    this.#zones = { of: undefined, byAsker: new Map() };
    const port = parts.upstreamPort;
    this.#upstreams = parts.upstreams.map((address) => ({ address, ...(port !== undefined && { port }) }));
  }

  /** Serves UDP and TCP until the signal aborts; waits for its address to appear, since the kernel gets it later. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let told = "";
    while (!signal.aborted) {
      try {
        await this.#serve(signal);
      } catch (error) {
        // EADDRNOTAVAIL: the bridge is not there yet. Anything else is worth one line.
        const reason = messageOf(error);
        if (!reason.includes("EADDRNOTAVAIL") && reason !== told)
          log.warn("resolver not up, trying again", { reason });
        told = reason;
        await sleep(clock, BIND_RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** Both sockets until the signal aborts; throws when one cannot be had or breaks. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { address, port = DNS_PORT, log } = this.#parts;
    const udp = createSocket("udp4");
    const tcp = createServer((socket) => this.#serveTcp(socket));
    tcp.maxConnections = MAX_TCP_CONNECTIONS;
    const open = new Set<Socket>();
    tcp.on("connection", (socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    });
    try {
      const broken = Promise.race([failureOf(udp), failureOf(tcp)]);
      broken.catch(() => undefined);
      udp.on("message", (message, { address: asker, port: askerPort }) => {
        void this.#answerUdp(udp, message, asker, askerPort);
      });
      udp.bind(port, address);
      tcp.listen(port, address);
      await Promise.race([Promise.all([once(udp, "listening"), once(tcp, "listening")]), broken]);
      log.debug("resolver serves", { address });
      await Promise.race([aborted(signal), broken]);
    } finally {
      udp.close();
      tcp.close();
      for (const socket of open) socket.destroy();
    }
  }

  async #answerUdp(udp: UdpSocket, message: Buffer, asker: string, port: number): Promise<void> {
    const query = readQuery(message);
    if (query === undefined) return;
    const answer = await this.#answer(query, message, asker, "udp");
    // The socket may have closed meanwhile, and then nobody waits any more.
    try {
      udp.send(fitUdp(query, answer), port, asker, () => undefined);
    } catch (error) {
      this.#parts.log.debug("answer not sent", { reason: messageOf(error) });
    }
  }

  #serveTcp(socket: Socket): void {
    const asker = socket.remoteAddress ?? "";
    const frames = new TcpFrames();
    let last: Promise<unknown> = Promise.resolve();
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      for (const frame of frames.take(chunk)) {
        const query = readQuery(frame);
        if (query === undefined) return void socket.destroy();
        // One after the other: who sends many at once waits, and holds no more than he sent.
        last = last.then(async () => {
          if (!socket.destroyed) socket.write(withLength(await this.#answer(query, frame, asker, "tcp")));
        });
      }
    });
  }

  async #answer(query: Query, message: Buffer, asker: string, over: "udp" | "tcp"): Promise<Buffer> {
    const zone = this.#zoneOf(asker);
    if (zone === undefined) return writeAnswer(query, "refused");
    const outcome = answerQuery(query, zone, this.#turn++);
    if (outcome.kind === "answer") return outcome.bytes;
    return (await this.#forward(message, over)) ?? writeAnswer(query, "failed");
  }

  #zoneOf(asker: string): Zone | undefined {
    const facts = this.#parts.facts();
    if (this.#zones.of !== facts) this.#zones = { of: facts, byAsker: new Map() };
    const { byAsker } = this.#zones;
    if (!byAsker.has(asker)) byAsker.set(asker, zoneFor(facts, asker));
    return byAsker.get(asker);
  }

  async #forward(message: Buffer, over: "udp" | "tcp"): Promise<Buffer | undefined> {
    if (this.#forwarded >= MAX_FORWARDED) return undefined;
    this.#forwarded++;
    try {
      return await forwardQuery(message, this.#upstreams, over, this.#parts.clock);
    } finally {
      this.#forwarded--;
    }
  }
}

function failureOf(socket: UdpSocket | Server): Promise<never> {
  return new Promise((_, reject) => socket.on("error", reject));
}
