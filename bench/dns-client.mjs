import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * Asks a UDP server in one way: `node dns-client.mjs HOST PORT NAME RATE SECONDS`. With a rate, so many questions a second, evenly;
 * with rate 0, as many as come back with 64 under way. Prints one line of JSON: answers a second, lost, and microseconds at p50 and p99.
 * It sleeps between questions, so that it leaves the CPU to others; what is measured is longer by up to 0.1 ms for that. It goes before
 * all others when CPUs are short, so that its own waiting is not measured; for that it has to lead a session. What is asked
 * in the first moments, while this program itself is slow, does not count.
 */

const [host, port, name, rate, seconds] = process.argv.slice(2);
const RATE = Number(rate);
const WINDOW = 64;
const IDS = 0x1_0000;
const NICE = -15;
const WARM_MS = 400;
/** Between two looks at what is due and what has come. */
const NAP_MS = 0.03;
const LATE_MS = 200;

const labels = name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
const question = Buffer.concat([
  Buffer.from("000001000001000000000000", "hex"),
  ...labels,
  Buffer.from("0000010001", "hex"),
]);

setPriority(NICE);
writeFileSync("/proc/self/autogroup", String(NICE));

const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
const sentAt = new Float64Array(IDS);
const took = [];
let [from, end] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
let sent = 0;
let counted = 0;

function ask() {
  const id = sent++ % IDS;
  const message = Buffer.from(question);
  message.writeUInt16BE(id, 0);
  const now = performance.now();
  sentAt[id] = now;
  if (now >= from) counted++;
  socket.send(message);
}

socket.on("message", (answer) => {
  const now = performance.now();
  const id = answer.readUInt16BE(0);
  if (sentAt[id] === 0) return;
  if (sentAt[id] >= from) took.push((now - sentAt[id]) * 1000);
  sentAt[id] = 0;
  if (RATE === 0 && now < end) ask();
});

function finish() {
  socket.close();
  took.sort((a, b) => a - b);
  const at = (part) => Math.round(took[Math.floor(part * (took.length - 1))] ?? Number.NaN);
  const figures = {
    perSecond: Math.round(took.length / Number(seconds)),
    lost: counted - took.length,
    p50: at(0.5),
    p99: at(0.99),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

const nap = new Int32Array(new SharedArrayBuffer(4));

socket.connect(Number(port), host, () => {
  const begun = performance.now();
  from = begun + WARM_MS;
  end = from + Number(seconds) * 1000;
  if (RATE === 0) for (let i = 0; i < WINDOW; i++) ask();
  const turn = () => {
    const now = performance.now();
    if (now >= end) return void setTimeout(finish, LATE_MS);
    const due = ((now - begun) / 1000) * RATE;
    while (sent < due) ask();
    Atomics.wait(nap, 0, 0, NAP_MS);
    setImmediate(turn);
  };
  if (RATE > 0) turn();
  else setTimeout(finish, end - begun + LATE_MS);
});
