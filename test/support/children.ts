import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { onHost } from "../../src/lab/index.ts";
import type { TestSwarm } from "./swarm.ts";

/** A program in a host's network for as long as a test needs it. */
export interface Child {
  stop(): Promise<void>;
}

/** Runs JavaScript in a host's network; resolves once it has printed "ready". */
export async function runScript(swarm: TestSwarm, host: string, script: string): Promise<Child> {
  const [file = "", ...args] = onHost(swarm.lab, host, [process.execPath, "-e", script]);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  for await (const line of createInterface(child.stdout as NonNullable<ChildProcess["stdout"]>)) {
    if (line !== "ready") continue;
    child.stdout?.resume();
    return {
      async stop() {
        child.kill("SIGKILL");
        await ended;
      },
    };
  }
  throw new Error(`a program on host ${host} ended before it was ready`);
}

/** A name server at every address of its host: it has one address for every name, and prints nothing of who asks. */
export const nameServer = (address: string): string => `
  const { decode, encode, AUTHORITATIVE_ANSWER } = require("dns-packet");
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (message, { address, port }) => {
    const { id, questions } = decode(message);
    const answers = questions[0].type === "A" ? [{ type: "A", name: questions[0].name, ttl: 1, data: "${address}" }] : [];
    socket.send(encode({ type: "response", id, flags: AUTHORITATIVE_ANSWER, questions, answers }), port, address);
  });
  socket.bind(53, () => console.log("ready"));
`;

/** A program that listens on a TCP port at every address. */
export const listener = (port: number): string =>
  `require("node:net").createServer().listen(${port}, () => console.log("ready"));`;

/** One datagram to a UDP port, and what came back within two seconds; empty when nothing did. */
export async function askUdp(swarm: TestSwarm, from: string, to: string, port: number): Promise<string> {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    socket.on("message", (answer) => { process.stdout.write(answer); process.exit(); });
    setTimeout(() => process.exit(), 2000);
    socket.send("?", ${port}, "${to}");
  `;
  return (await swarm.exec(from, process.execPath, "-e", script)).stdout;
}
