import { createSocket } from "node:dgram";

/**
 * Asks a UDP server in one way: `node dns-client.mjs HOST PORT NAME RATE SECONDS`. With a rate, so many questions a second, evenly;
 * with rate 0, as many as come back with 64 under way. Prints one line of JSON: answers a second, lost, and microseconds at p50 and p99.
 */

const [host, port, name, rate, seconds] = process.argv.slice(2);
const RATE = Number(rate);
const WINDOW = 64;
const IDS = 0x1_0000;

const labels = name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
const question = Buffer.concat([
  Buffer.from("000001000001000000000000", "hex"),
  ...labels,
  Buffer.from("0000010001", "hex"),
]);

const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
const sentAt = new Float64Array(IDS);
const took = [];
let sent = 0;

function ask() {
  const id = sent++ % IDS;
  const message = Buffer.from(question);
  message.writeUInt16BE(id, 0);
  sentAt[id] = performance.now();
  socket.send(message);
}

let end = Number.POSITIVE_INFINITY;
socket.on("message", (answer) => {
  const now = performance.now();
  const id = answer.readUInt16BE(0);
  if (sentAt[id] === 0) return;
  took.push((now - sentAt[id]) * 1000);
  sentAt[id] = 0;
  if (RATE === 0 && now < end) ask();
});

function finish(begun) {
  socket.close();
  const lasted = (end - begun) / 1000;
  took.sort((a, b) => a - b);
  const at = (part) => Math.round(took[Math.floor(part * (took.length - 1))] ?? Number.NaN);
  const figures = {
    perSecond: Math.round(took.length / lasted),
    lost: sent - took.length,
    p50: at(0.5),
    p99: at(0.99),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

socket.connect(Number(port), host, () => {
  const begun = performance.now();
  end = begun + Number(seconds) * 1000;
  if (RATE === 0) for (let i = 0; i < WINDOW; i++) ask();
  const turn = () => {
    const now = performance.now();
    if (now >= end) return void setTimeout(finish, 100, begun);
    const due = RATE === 0 ? 0 : ((now - begun) / 1000) * RATE;
    while (sent < due) ask();
    setImmediate(turn);
  };
  if (RATE > 0) turn();
  else setTimeout(finish, Number(seconds) * 1000 + 100, begun);
});
