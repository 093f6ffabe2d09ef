import { type ChildProcess, spawn } from "node:child_process";
import { execOk } from "../../src/sys/index.ts";

/**
 * Answers every TCP connection and UDP datagram with its name and the address that it sees the caller come from; a long datagram
 * with one as long.
 */
const SERVER = `
const [name, port, host] = process.argv.slice(1);
const plain = (address) => address.replace(/^::ffff:/, "");
const tcp = require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  if (name.startsWith("echo")) return socket.pipe(socket);
  socket.end(name + " " + plain(socket.remoteAddress));
});
const udp = require("node:dgram").createSocket(host === "::" ? "udp6" : "udp4");
udp.on("message", (text, from) => udp.send((name + " " + plain(from.address)).padEnd(text.length), from.port, from.address));
tcp.listen(Number(port), host, () => udp.bind(Number(port), host, () => console.log("ready")));
`;

/** Answers every TCP connection with the address that it was made to. */
const NAMELESS_SERVER = `
const [port] = process.argv.slice(1);
require("node:net").createServer((socket) => {
  socket.on("error", () => {}).end(socket.localAddress);
}).listen(Number(port), "0.0.0.0", () => console.log("ready"));
`;

/** Connects so many times, one after the other, and prints the answers as JSON; "refused" and the like when there is none. */
const CLIENT = `
const [host, port, count, ms] = process.argv.slice(1);
const once = () => new Promise((resolve) => {
  let text = "";
  const socket = require("node:net").connect({ host, port: Number(port) });
  socket.setTimeout(Number(ms), () => { resolve("timeout"); socket.destroy(); });
  socket.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text)).on("error", (e) => resolve(e.code));
});
(async () => {
  const answers = [];
  for (let i = 0; i < Number(count); i++) answers.push(await once());
  console.log(JSON.stringify(answers));
})();
`;

/**
 * Sends a datagram for every line of its input, always from one port: so many bytes, if the line is a number; prints a line per
 * answer, or "timeout" after a second.
 */
const ASKER = `
const [host, port] = process.argv.slice(1);
const udp = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
let timer;
const say = (text) => { clearTimeout(timer); timer = undefined; console.log(text); };
udp.on("message", (text) => timer && say(String(text).replace(/ {9,}$/, () => " " + text.length)));
udp.on("error", (error) => timer && say(error.code));
udp.connect(Number(port), host, () => {
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    timer = setTimeout(() => say("timeout"), 1000);
    udp.send(line > 0 ? "?".repeat(line) : "?");
  }).on("close", () => process.exit());
  console.log("ready");
});
`;

/** Keeps one TCP connection to an echo server: a line in, the same line out; "closed" when it ends. From a port of one's choice, if any. */
const TALKER = `
const [host, port, localPort = "0"] = process.argv.slice(1);
const to = { host, port: Number(port), localPort: Number(localPort) };
const socket = require("node:net").connect(to, () => console.log("ready"));
socket.on("error", (error) => console.log(error.code)).on("data", (text) => process.stdout.write(text)).on("close", () => console.log("closed"));
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => socket.write(line + "\\n")).on("close", () => process.exit());
`;

/** Prints what every datagram says. */
const SINK = `
const [port] = process.argv.slice(1);
const udp = require("node:dgram").createSocket("udp6");
udp.on("message", (text) => console.log(String(text)));
udp.bind(Number(port), () => console.log("ready"));
`;

/** Sends one datagram, from an address that the namespace has. */
const SENDER = `
const [host, port, text, from] = process.argv.slice(1);
const udp = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
udp.bind({ address: from }, () => udp.send(text, Number(port), host, () => udp.close()));
`;

/** A program in a network namespace with which lines are exchanged. */
export interface Talk {
  /** Sends a line and waits for the next one that comes back. */
  ask(line: string): Promise<string>;
  /** The next line that comes. */
  next(): Promise<string>;
  stop(): void;
}

/**
 * Starts a server on TCP and UDP; resolves when it listens. A name that begins with "echo" makes it echo. At "::" it takes
 * callers of both families.
 */
export async function serve(netns: string, name: string, port: number, host = "0.0.0.0"): Promise<Talk> {
  return start(netns, [SERVER, name, String(port), host]);
}

/** Starts a TCP server for all addresses of a namespace; it answers with the one that was called. */
export async function serveByAddress(netns: string, port: number): Promise<Talk> {
  return start(netns, [NAMELESS_SERVER, String(port)]);
}

export async function askOverUdp(netns: string, host: string, port: number): Promise<Talk> {
  return start(netns, [ASKER, host, String(port)]);
}

export async function talkOverTcp(netns: string, host: string, port: number, localPort = 0): Promise<Talk> {
  return start(netns, [TALKER, host, String(port), String(localPort)]);
}

/** Listens on a UDP port and says nothing back: `next` is what the next datagram says. */
export async function listenOnUdp(netns: string, port: number): Promise<Talk> {
  return start(netns, [SINK, String(port)]);
}

export async function sendOverUdp(
  netns: string,
  to: string,
  port: number,
  text: string,
  from: string,
): Promise<void> {
  const args = [to, String(port), text, from];
  await execOk(["nsenter", `--net=${netns}`, "--", process.execPath, "-e", SENDER, ...args]);
}

async function start(netns: string, args: readonly string[]): Promise<Talk> {
  const [file, ...rest] = ["nsenter", `--net=${netns}`, "--", process.execPath, "-e", ...args];
  const child = spawn(file, rest, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = linesOf(child);
  const first = await lines();
  if (first !== "ready") throw new Error(`no start in ${netns}: ${first}`);
  return {
    ask: (line) => {
      child.stdin?.write(`${line}\n`);
      return lines();
    },
    next: lines,
    stop: () => void child.kill("SIGKILL"),
  };
}

/** The next line of a program's output, each time it is called; "ended" after the last. */
function linesOf(child: ChildProcess): () => Promise<string> {
  const ready: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  let rest = "";
  const push = (line: string) => {
    const next = waiting.shift();
    if (next === undefined) ready.push(line);
    else next(line);
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) push(line);
  });
  child.on("close", () => push("ended"));
  return () =>
    new Promise((resolve) => {
      const line = ready.shift();
      if (line === undefined) waiting.push(resolve);
      else resolve(line);
    });
}

/** So many connections from a namespace, one after the other: what each heard. */
export async function connectTimes(
  netns: string,
  host: string,
  port: number,
  count: number,
  timeoutMs = 2000,
): Promise<string[]> {
  const args = [host, String(port), String(count), String(timeoutMs)];
  return JSON.parse(
    await execOk(["nsenter", `--net=${netns}`, "--", process.execPath, "-e", CLIENT, ...args]),
  );
}

/** Whether one ping comes back. */
export async function pings(netns: string, address: string): Promise<boolean> {
  return execOk(["nsenter", `--net=${netns}`, "--", "ping", "-c", "1", "-W", "1", address]).then(
    () => true,
    () => false,
  );
}

/** How often each answer came. */
export function tally(answers: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1;
  return counts;
}

export function sorted(texts: Iterable<string | undefined>): (string | undefined)[] {
  return [...texts].sort((a = "", b = "") => (a < b ? -1 : a > b ? 1 : 0));
}
