import { request } from "node:http";
import { createInterface } from "node:readline";

/**
 * Many clients of one daemon, each with a connection of its own: `node client-load.mjs SOCKET SERVICE RATE EVENTS SLOW DEAF LOGS DEAF-LOGS ASKERS`.
 * EVENTS read all events as they come, SLOW some 100 KB/s of them, DEAF never read; LOGS and DEAF-LOGS the same of SERVICE's log; ASKERS ask for
 * lists and single objects, all together RATE times a second. Says "ready"; at "report" on its standard input it prints a line of JSON, and at its
 * end it ends.
 */

const [socketPath, service, rate, ...counts] = process.argv.slice(2);
const [EVENTS, SLOW, DEAF, LOGS, DEAF_LOGS, ASKERS] = counts.map(Number);
const SLOW_BYTES = 10_000;
const SLOW_MS = 100;
const QUESTIONS = [
  "/services",
  "/tasks",
  "/nodes",
  "/services/idle-7",
  "/services?status=true",
  "/info",
  "/networks",
];

const open = (path) =>
  new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, agent: false }, resolve);
    sent.on("error", reject);
    sent.end();
  });

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a reader of events has heard of services' updates,. */
async function follow(path, count, takes) {
  const state = { count: 0, bytes: 0, ended: "" };
  const answer = await open(path);
  answer.on("error", (error) => {
    state.ended ||= error.message;
  });
  answer.on("close", () => {
    state.ended ||= "closed";
  });
  if (takes === "nothing") answer.pause();
  else {
    let rest = "";
    answer.on("data", (chunk) => {
      state.bytes += chunk.length;
      if (takes === "slowly") {
        answer.pause();
        setTimeout(() => answer.resume(), (SLOW_MS * chunk.length) / SLOW_BYTES);
      }
      if (count === undefined) return;
      const text = rest + chunk;
      state.count += text.split(count).length - 1;
      rest = text.slice(text.lastIndexOf("\n") + 1);
    });
  }
  return state;
}

async function ask(path) {
  const answer = await open(path);
  let bytes = 0;
  for await (const chunk of answer) bytes += chunk.length;
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`);
  return bytes;
}

let isOver = false;
const asked = { answers: 0, failed: 0, bytes: 0 };

async function asker(i) {
  const every = (1000 * ASKERS) / Number(rate);
  await sleep(Math.random() * every);
  for (let turn = i; !isOver; turn++) {
    const begun = performance.now();
    try {
      asked.bytes += await ask(QUESTIONS[turn % QUESTIONS.length]);
      asked.answers++;
    } catch (error) {
      asked.failed++;
      process.stderr.write(`load: ${error.message}\n`);
    }
    await sleep(Math.max(0, every - (performance.now() - begun)));
  }
}

const many = (n, work) => Promise.all(Array.from({ length: n }, (_, i) => work(i)));
const UPDATED = /"Type":"service","Action":"update"/;
const logs = `/services/${service}/logs?stdout=1&follow=1`;
const groups = {
  events: await many(EVENTS, () => follow("/events", UPDATED, "all")),
  slow: await many(SLOW, () => follow("/events", UPDATED, "slowly")),
  deaf: await many(DEAF, () => follow("/events", undefined, "nothing")),
  logs: await many(LOGS, () => follow(`${logs}&tail=100`, undefined, "all")),
  deafLogs: await many(DEAF_LOGS, () => follow(logs, undefined, "nothing")),
};
const asking = many(ASKERS, asker);
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "report") continue;
  console.log(JSON.stringify({ ...groups, asked }));
}
isOver = true;
await asking;
process.exit(0);
