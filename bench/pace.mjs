import { Agent, get } from "node:http";

/**
 * Short requests at an even pace over a few kept connections: `node pace.mjs URL RATE SECONDS`. Prints one line of JSON: the
 * microseconds that an answer took, at p50 and p99.
 */

const [url, rate, seconds] = process.argv.slice(2);
const RATE = Number(rate);
const TOTAL = RATE * Number(seconds);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const took = [];

function ask() {
  const begun = performance.now();
  return new Promise((resolve) => {
    const asked = get(url, { agent }, (answer) => {
      answer.resume();
      answer.on("end", () => {
        took.push((performance.now() - begun) * 1000);
        resolve();
      });
    });
    asked.on("error", resolve);
  });
}

const start = performance.now();
const answers = [];
while (answers.length < TOTAL) {
  const due = ((performance.now() - start) / 1000) * RATE;
  while (answers.length < due && answers.length < TOTAL) answers.push(ask());
  await new Promise((resolve) => setTimeout(resolve, 0.5));
}
await Promise.all(answers);
agent.destroy();
took.sort((a, b) => a - b);
const at = (part) => took[Math.floor(part * (took.length - 1))] ?? Number.NaN;
process.stdout.write(`${JSON.stringify({ p50: at(0.5), p99: at(0.99), lost: TOTAL - took.length })}\n`);
