import { closeSync } from "node:fs";
import { Fault } from "../../lib/index.ts";
import { checked, errno, errnoText, libc } from "../libc.ts";
import {
  attribute,
  be32,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  readText,
  u32,
} from "./codec.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
/** In an error: attributes with the kernel's words follow. */
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const ENOBUFS = 105;

/** linux/netlink.h */
export const NETLINK_ROUTE = 0;
export const NETLINK_XFRM = 6;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** linux/netfilter/nfnetlink.h: what is between the two is done whole or not at all; for which subsystem is in the third field. */
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_BATCH_GENID = 1;
/** A batch is one datagram: room for draws from some ten thousand backends. */
const SEND_BYTES = 4 << 20;

/** The kernel never leaves a request without an answer; should it, this ends the wait. */
const ANSWER_SECONDS = 10;
/** Larger than any datagram of a dump (the kernel makes 32 KiB at most). */
const BUFFER_BYTES = 128 * 1024;
const DUMP_TRIES = 5;

/** What the kernel said no to. */
export interface Refusal {
  readonly errno: number;
  readonly text: string;
}

/** One message of several. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: readonly Buffer[];
}

const buffer = Buffer.alloc(BUFFER_BYTES);

/** A netlink socket for requests. It stays in the namespace in which it was made. Requests are synchronous. */
export class NetlinkSocket {
  readonly #fd: number;
  /** The socket's address: the kernel names it in notes about what this socket changed. */
  readonly port: number;
  #sequence = 0;

  constructor(protocol: number) {
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(ANSWER_SECONDS));
    let port = 0;
    this.#fd = openSocket(protocol, (fd) => {
      setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1));
      setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, u32(1));
      setOption(fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
      if (protocol === NETLINK_NETFILTER) setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, u32(SEND_BYTES));
      port = bindSocket(fd);
    });
    this.port = port;
  }

  /**
   * One transaction of a subsystem of netfilter, done only if its generation is this one: the kernel's yes to the last request is its
   * yes to all.
   */
  transact(subsystem: number, generation: number, requests: readonly Request[]): Refusal | undefined {
    const edge = Buffer.from([0, 0, subsystem >> 8, subsystem & 0xff]);
    const begin = {
      ...{ type: NFNL_MSG_BATCH_BEGIN, flags: 0 },
      body: [edge, attribute(NFNL_BATCH_GENID, be32(generation))],
    };
    const last = requests.length - 1;
    const asked = requests.map((one, i) => (i < last ? one : { ...one, flags: one.flags | NLM_F_ACK }));
    const first = this.#sequence + 1;
    this.#sendAll([begin, ...asked, { type: NFNL_MSG_BATCH_END, flags: 0, body: [edge] }]);
    const answered = this.#sequence - 1;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.type !== NLMSG_ERROR || message.sequence < first) continue;
        const refusal = refusalOf(message);
        if (refusal !== undefined || message.sequence === answered) return refusal;
      }
    }
  }

  /** Asks and waits for the kernel's yes; its no is a value. */
  request(type: number, flags: number, ...body: readonly Buffer[]): Refusal | undefined {
    const sequence = this.#send(type, flags | NLM_F_ACK, body);
    for (;;) {
      for (const message of this.#receive())
        if (message.sequence === sequence && message.type === NLMSG_ERROR) return refusalOf(message);
    }
  }

  /** Asks for one thing: the first message of the answer; undefined when the kernel says no. */
  find(type: number, ...body: readonly Buffer[]): NetlinkMessage | undefined {
    const sequence = this.#send(type, 0, body);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        return message.type === NLMSG_ERROR ? undefined : copied(message);
      }
    }
  }

  /** Everything of a kind. Asks again when it changed meanwhile. */
  dump(type: number, ...body: readonly Buffer[]): NetlinkMessage[] {
    for (let i = 0; i < DUMP_TRIES; i++) {
      const messages = this.#dumpOnce(type, body);
      if (messages !== undefined) return messages;
    }
    throw new Fault("unavailable", "cannot read the kernel's network: it changes too fast");
  }

  #dumpOnce(type: number, body: readonly Buffer[]): NetlinkMessage[] | undefined {
    const sequence = this.#send(type, NLM_F_DUMP, body);
    const found: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        const isEnd = message.type === NLMSG_DONE || message.type === NLMSG_ERROR;
        // What the kernel could not go on with ends like a whole list, but for a number.
        const refusal = isEnd ? refusalOf(message) : undefined;
        if (refusal !== undefined) throw faultOf("read the kernel's network", refusal);
        if (isEnd) return interrupted ? undefined : found;
        found.push(copied(message));
      }
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #send(type: number, flags: number, body: readonly Buffer[]): number {
    this.#sendAll([{ type, flags, body }]);
    return this.#sequence;
  }

  #sendAll(requests: readonly Request[]): void {
    const messages = requests.map(({ type, flags, body }) => {
      const sequence = ++this.#sequence;
      return encodeMessage({
        ...{ type, flags: flags | NLM_F_REQUEST, sequence, port: 0 },
        body: Buffer.concat(body),
      });
    });
    const data = Buffer.concat(messages);
    checked(libc().send(this.#fd, data, data.length, 0), "send to the kernel");
  }

  #receive(): NetlinkMessage[] {
    const length = checked(libc().recv(this.#fd, buffer, buffer.length, 0), "hear from the kernel");
    return decodeMessages(buffer.subarray(0, length));
  }
}

/** A netlink socket that hears the kernel's notes of some groups. It stays in the namespace in which it was made. */
export class NetlinkListener {
  readonly fd: number;

  constructor(protocol: number, groups: readonly number[]) {
    this.fd = openSocket(protocol, (fd) => {
      setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, u32(1 << 20));
      bindSocket(fd);
      for (const group of groups) setOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, u32(group));
    });
  }

  /** What has come; "lost" when there was more than the kernel could keep. Never waits. */
  read(): readonly NetlinkMessage[] | "lost" {
    const messages: NetlinkMessage[] = [];
    let lost = false;
    for (;;) {
      const length = libc().recv(this.fd, buffer, buffer.length, MSG_DONTWAIT);
      if (length >= 0) messages.push(...decodeMessages(buffer.subarray(0, length)).map(copied));
      else if (errno() === ENOBUFS) lost = true;
      else if (errno() === EAGAIN) return lost ? "lost" : messages;
      else checked(length, "hear from the kernel");
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** One that cannot be set up is closed again. */
function openSocket(protocol: number, setUp: (fd: number) => void): number {
  const fd = checked(libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol), "open a netlink socket");
  try {
    setUp(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Lets the kernel choose the socket's address, and returns it (sockaddr_nl: family, pad, port, groups). */
function bindSocket(fd: number): number {
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  checked(libc().bind(fd, address, address.length), "bind a netlink socket");
  checked(libc().getsockname(fd, address, u32(address.length)), "name a netlink socket");
  return address.readUInt32LE(4);
}

function setOption(fd: number, level: number, name: number, value: Buffer): void {
  checked(libc().setsockopt(fd, level, name, value, value.length), "set a netlink socket up");
}

/** Error 0 is a yes. The end of a list has a number too, 0 or more for all of it. */
function refusalOf({ type, body, flags }: NetlinkMessage): Refusal | undefined {
  const code = -body.readInt32LE(0);
  if (code <= 0) return undefined;
  // With CAP_ACK the request's header (16 bytes) is all that comes back between an error's code and the attributes.
  const attributes = body.subarray(type === NLMSG_ERROR ? 20 : 4);
  const words =
    flags & NLM_F_ACK_TLVS ? readText(decodeAttributes(attributes).get(NLMSGERR_ATTR_MSG)) : undefined;
  return { errno: code, text: words ?? errnoText(code) };
}

export function faultOf(what: string, refusal: Refusal | undefined): Fault {
  return new Fault("internal", `cannot ${what}: ${refusal?.text ?? "no reason given"}`);
}

/** Free of the shared receive buffer. */
function copied(message: NetlinkMessage): NetlinkMessage {
  return { ...message, body: Buffer.from(message.body) };
}
