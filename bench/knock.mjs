import { connect } from "node:net";

/**
 * Knocks at each of some doors until it is opened: `node knock.mjs HOST:PORT…`. Says "ready" when it has begun, then one line
 * of JSON: the time of day, in milliseconds, at which each opened.
 */

const PAUSE_MS = 1;
const PATIENCE_MS = 200;

function knock(host, port) {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const patience = setTimeout(() => done(false), PATIENCE_MS);
    const done = (opened) => {
      clearTimeout(patience);
      socket.destroy();
      resolve(opened);
    };
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}

async function opened(door) {
  const [host, port] = door.split(":");
  while (!(await knock(host, Number(port)))) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  return performance.timeOrigin + performance.now();
}

const doors = process.argv.slice(2).map(opened);
process.stdout.write("ready\n");
process.stdout.write(`${JSON.stringify(await Promise.all(doors))}\n`);
