import koffi from "koffi";

/** Datagrams by system calls that do not return before they are done: Node's own come back at once. */

const libc = koffi.load("libc.so.6");
const call = (signature: string): Call => libc.func(signature);
const socket = call("int socket(int, int, int)");
const bind = call("int bind(int, const void *, unsigned int)");
const connect = call("int connect(int, const void *, unsigned int)");
const setsockopt = call("int setsockopt(int, int, int, const void *, unsigned int)");
const send = call("long send(int, const void *, size_t, int)");
const recvfrom = call("long recvfrom(int, void *, size_t, int, void *, void *)");
const sendto = call("long sendto(int, const void *, size_t, int, const void *, unsigned int)");

type Call = (...words: readonly unknown[]) => number;

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;
const DATAGRAM = Buffer.alloc(64);

/** struct sockaddr_in */
function addressOf(ip: string, port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(ip.split(".").map(Number), 4);
  return address;
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`cannot ${what}: errno ${koffi.errno()}`);
  return result;
}

/** A socket that nobody reads: it is full at once, and what comes then goes all of the way and is thrown away. */
export function openSink(ip: string, port: number): number {
  const fd = must(socket(AF_INET, SOCK_DGRAM, 0), "open a socket");
  must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Buffer.from([0, 8, 0, 0]), 4), "make it small");
  must(bind(fd, addressOf(ip, port), 16), `bind ${ip}:${port}`);
  return fd;
}

export function openSender(ip: string, port: number): number {
  const fd = must(socket(AF_INET, SOCK_DGRAM, 0), "open a socket");
  must(connect(fd, addressOf(ip, port), 16), `connect to ${ip}:${port}`);
  return fd;
}

/** Sends one. */
export const sendOne = (sender: number): number => send(sender, DATAGRAM, DATAGRAM.length, 0);

/** Both hear of each other: for the kernel it is a connection then, and may be put in a flow table. */
export function shakeHands(sender: number, sink: number): void {
  const [from, length] = [Buffer.alloc(16), Buffer.from([16, 0, 0, 0])];
  const data = Buffer.alloc(DATAGRAM.length);
  while (recvfrom(sink, data, data.length, MSG_DONTWAIT, from, length) >= 0);
  for (let i = 0; i < 5; i++) {
    sendOne(sender);
    must(recvfrom(sink, data, data.length, MSG_DONTWAIT, from, length), "get a datagram");
    must(sendto(sink, data, data.length, 0, from, from.length), "send an answer");
    must(recvfrom(sender, data, data.length, MSG_DONTWAIT, from, length), "get an answer");
  }
}
