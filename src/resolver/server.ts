import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import {
  answerQuery,
  fitAnswer,
  type NameFacts,
  type Query,
  readQuery,
  writeAnswer,
  type Zone,
  Zones,
} from "../dns/index.ts";
import { aborted, type Clock, type Log, messageOf, sleep } from "../lib/index.ts";
import { Forwarder } from "./forwarder.ts";
import { TcpFrames, withLength } from "./frames.ts";
import { Shares } from "./shares.ts";
import type { Over, Upstream } from "./upstream-health.ts";

export interface DnsServerParts {
  /** Where tasks ask: the gateway bridge's address. */
  readonly address: string;
  /** 53 when absent; 0 for any, see `onListening`. */
  readonly port?: number;
  readonly upstreams: readonly string[];
  /** The upstreams' port: 53 when absent. */
  readonly upstreamPort?: number;
  /** What is known now. */
  facts(): NameFacts;
  /** Both sockets are bound. */
  onListening?(ports: { readonly udp: number; readonly tcp: number }): void;
  readonly clock: Clock;
  readonly log: Log;
}

const DNS_PORT = 53;
const BIND_RETRY_MS = 100;
const TCP_IDLE_MS = 10_000;
/** Questions of one connection that are being answered at once. */
const PIPELINED = 16;
/** Of the node, and of one asker: more at once are a flood, and one task's flood leaves room for the others. */
const TCP_CONNECTIONS = { all: 512, each: 32 } as const;
/** Docker's bound on questions to the outside under way (moby libnetwork/resolver.go, maxConcurrent). */
const FORWARDED = { all: 1024, each: 256 } as const;

/** The resolver behind 127.0.0.11: knows who asks by the source address, and answers only what he may know. */
export class DnsServer {
  readonly #parts: DnsServerParts;
  readonly #upstreams: readonly Upstream[];
  readonly #connections = new Shares(TCP_CONNECTIONS);
  readonly #forwarded = new Shares(FORWARDED);
  readonly #forwarder: Forwarder;
  #zones: Zones | undefined;
  #turn = 0;

  constructor(parts: DnsServerParts) {
    this.#parts = parts;
    this.#upstreams = this.#upstreamsAt(parts.upstreams);
    this.#forwarder = new Forwarder(parts.clock);
  }

  /**
   * Serves UDP and TCP until the signal aborts; waits for its address to appear, since the kernel gets it later. Sockets that are bound
   * outlive the address: when it comes back, they go on.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let told = "";
    while (!signal.aborted) {
      try {
        await this.#serve(signal);
      } catch (error) {
        // EADDRNOTAVAIL: the bridge is not there yet. Anything else is worth one line.
        const reason = messageOf(error);
        if (!reason.includes("EADDRNOTAVAIL") && reason !== told) {
          log.warn("resolver not up, trying again", { reason });
        }
        told = reason;
        await sleep(clock, BIND_RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** Both sockets until the signal aborts; throws when one cannot be had or breaks. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { address, port = DNS_PORT, log, onListening } = this.#parts;
    // Askers come with their addresses: nothing is to be looked up, be it only to see that.
    const udp = createSocket({ type: "udp4", lookup: (address, _, found) => found(null, address, 4) });
    // Half open: who has asked all he wants to and said so still gets his answers.
    const tcp = createServer({ allowHalfOpen: true });
    const open = new Set<Socket>();
    tcp.on("connection", (socket) => this.#accept(socket, open));
    udp.on("message", (message, asker) => {
      try {
        this.#answerUdp(udp, message, asker);
      } catch (error) {
        this.#notAnswered(error);
      }
    });
    try {
      const broken = Promise.race([failureOf(udp), failureOf(tcp)]);
      broken.catch(() => undefined);
      // Before `bind`: without a look-up it may be done when it returns.
      const up = Promise.all([once(udp, "listening"), once(tcp, "listening")]);
      up.catch(() => undefined);
      udp.bind(port, address);
      tcp.listen(port, address);
      await Promise.race([up, broken]);
      log.debug("resolver serves", { address });
      onListening?.({ udp: udp.address().port, tcp: portOf(tcp) });
      await Promise.race([aborted(signal), broken]);
    } finally {
      udp.close();
      tcp.close();
      for (const socket of open) socket.destroy();
    }
  }

  #answerUdp(udp: UdpSocket, message: Buffer, asker: { address: string; port: number }): void {
    const query = readQuery(message);
    if (query === undefined) return;
    // Errors: the asker is gone. A socket that closed meanwhile throws, to the same effect.
    const send = (answer: Buffer) => udp.send(answer, asker.port, asker.address, () => undefined);
    const answer = this.#answer(query, message, asker.address, "udp");
    if (Buffer.isBuffer(answer)) send(answer);
    else answer.then(send).catch((error: unknown) => this.#notAnswered(error));
  }

  #accept(socket: Socket, open: Set<Socket>): void {
    const asker = socket.remoteAddress ?? "";
    if (!this.#connections.take(asker)) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on("close", () => {
      open.delete(socket);
      this.#connections.give(asker);
    });
    socket.on("error", () => socket.destroy());
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    this.#serveTcp(socket, asker)
      .catch((error: unknown) => this.#notAnswered(error))
      .finally(() => socket.destroySoon());
  }

  /**
   * Several questions of a connection at once, answered as they are ready (RFC 7766, 6.2.1.1): one that waits for the outside holds
   * up no other. Who sends more, or does not take his answers, waits and makes no heap.
   */
  async #serveTcp(socket: Socket, asker: string): Promise<void> {
    const frames = new TcpFrames();
    const underWay = new Set<Promise<void>>();
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      for (const frame of frames.take(chunk as Buffer)) {
        const query = readQuery(frame);
        if (query === undefined || socket.destroyed) return;
        const work = this.#answerTcp(socket, query, frame, asker)
          .catch((error: unknown) => this.#notAnswered(error))
          .finally(() => underWay.delete(work));
        underWay.add(work);
        if (underWay.size >= PIPELINED) await Promise.race(underWay);
      }
    }
    await Promise.all(underWay);
  }

  async #answerTcp(socket: Socket, query: Query, frame: Buffer, asker: string): Promise<void> {
    const answer = await this.#answer(query, frame, asker, "tcp");
    if (socket.destroyed || socket.write(withLength(answer)) || socket.destroyed) return;
    await Promise.race([once(socket, "drain"), once(socket, "close")]);
  }

  /** At once what is the zone's to answer, a promise of what the outside says. */
  #answer(query: Query, message: Buffer, asker: string, over: Over): Buffer | Promise<Buffer> {
    const zone = this.#currentZones().zoneOf(asker);
    if (zone === undefined) return writeAnswer(query, "refused");
    const outcome = answerQuery(query, zone, this.#turn++, over);
    if (outcome.kind === "answer") return outcome.bytes;
    return this.#forward(message, zone, asker, over).then((answer) => {
      if (answer === undefined) return writeAnswer(query, "failed");
      return over === "udp" ? fitAnswer(query, answer) : answer;
    });
  }

  #currentZones(): Zones {
    const facts = this.#parts.facts();
    if (this.#zones?.facts !== facts) this.#zones = new Zones(facts);
    return this.#zones;
  }

  #upstreamsAt(addresses: readonly string[]): Upstream[] {
    const { upstreamPort: port } = this.#parts;
    return addresses.map((address) => ({ address, ...(port !== undefined && { port }) }));
  }

  async #forward(message: Buffer, zone: Zone, asker: string, over: Over): Promise<Buffer | undefined> {
    if (!this.#forwarded.take(asker)) return undefined;
    const upstreams = zone.upstreams === undefined ? this.#upstreams : this.#upstreamsAt(zone.upstreams);
    try {
      return await this.#forwarder.ask(message, upstreams, over);
    } finally {
      this.#forwarded.give(asker);
    }
  }

  #notAnswered(error: unknown): void {
    this.#parts.log.debug("question not answered", { reason: messageOf(error) });
  }
}

function failureOf(socket: UdpSocket | Server): Promise<never> {
  return new Promise((_, reject) => socket.on("error", reject));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
