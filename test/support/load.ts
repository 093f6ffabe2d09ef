import { spawn } from "node:child_process";
import { join } from "node:path";
import { onHost } from "../../src/lab/index.ts";
import type { TestSwarm } from "./swarm.ts";

/**
 * What wrk saw of a load: how many requests were answered (of the kind of which it was fewer), and every kind of failure that it counts, in
 * its own words.
 */
export interface LoadResult {
  readonly requests: number;
  readonly failures: readonly string[];
}

export interface Load {
  stop(): Promise<LoadResult>;
}

/** A request that was not answered after this long has failed. */
const TIMEOUT = "5s";
/** Connections that are kept, each with the next request as soon as the last is answered. */
const KEPT = ["-c16"];
/** A new connection for every request; not so many that the kernel's tables are what is tested. */
const FRESH = ["-c4", "-s", join(import.meta.dirname, "fresh-connections.lua")];

/** Load on a URL from the lab's client, outside the swarm, until it is stopped. */
export function startLoad(swarm: TestSwarm, url: string): Load {
  const loads = [KEPT, FRESH].map((kind) => startWrk(swarm, [...kind, url]));
  return {
    async stop() {
      const results = await Promise.all(loads.map((load) => load.stop()));
      return {
        requests: Math.min(...results.map(({ requests }) => requests)),
        failures: results.flatMap(({ failures }) => failures),
      };
    },
  };
}

function startWrk(swarm: TestSwarm, options: readonly string[]): Load {
  const wrk = ["wrk", "-t1", "-d1h", "--timeout", TIMEOUT, ...options];
  const [file = "", ...args] = onHost(swarm.lab, "client", wrk);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => child.kill());
  let text = "";
  for (const pipe of [child.stdout, child.stderr])
    pipe.on("data", (chunk: Buffer) => {
      text += chunk;
    });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    async stop() {
      child.kill("SIGINT");
      await ended;
      const requests = /(\d+) requests in/.exec(text)?.[1];
      if (requests === undefined) throw new Error(`wrk: ${text}`);
      const failures = text.match(/Socket errors:.*|Non-2xx or 3xx responses:.*/g) ?? [];
      return { requests: Number(requests), failures };
    },
  };
}
