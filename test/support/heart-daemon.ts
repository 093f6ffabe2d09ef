import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { ManagerSession } from "../../src/agent/session.ts";
import { ThreadHeart } from "../../src/daemon/thread-heart.ts";
import type { NodeIdentity } from "../../src/identity/index.ts";
import { silentLog } from "../../src/lib/index.ts";
import { DESCRIPTION } from "../../src/manager/agents.fake.ts";
import { connectDispatcher } from "../../src/rpc/index.ts";
import { systemClock as clock, systemRandom as random } from "../../src/sys/index.ts";

/**
 * A daemon that does nothing but hold a session and beat: `heart-daemon.ts MANAGER IDENTITY-FILE`. Says "welcome" at each
 * session. A line "busy N" on its input keeps its main thread busy for N milliseconds, "identity FILE" is a renewed certificate.
 */
const [address = "", file = ""] = process.argv.slice(2);
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as NodeIdentity;
let identity = read(file);
const never = new AbortController().signal;
const heart = new ThreadHeart({ identity, clock, log: silentLog });
const session = new ManagerSession(
  {
    connect: (manager, signal) => connectDispatcher({ address: manager, identity, clock }, signal),
    describe: () => DESCRIPTION,
    statuses: () => [],
    guests: () => ({ kind: "guests", complete: true, wishes: [] }),
    handle: ({ kind }) => kind === "welcome" && process.stdout.write("welcome\n"),
    heart,
    tunnelEnd: () => ({ boot: "b", lack: "" }),
    ...{ advertiseAddress: "", dataPathAddress: "", clock, random, log: silentLog },
  },
  [address],
);

createInterface({ input: process.stdin }).on("line", (line) => {
  const [verb, argument = ""] = line.split(" ");
  if (verb === "busy") {
    const end = clock.now() + Number(argument);
    while (clock.now() < end);
    process.stdout.write("free\n");
  } else {
    identity = read(argument);
    heart.setIdentity(identity);
  }
});
await Promise.all([session.run(never), heart.run(never)]);
