import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { execOk } from "../src/sys/index.ts";

/** Small HTTP requests, asked by wrk and answered by HAProxy, both ahead of all else that the machine has to do. */

const FIRST = ["chrt", "-f", "1"];

/** Answers every request with two bytes at a port, where `prefix` (an argument list, e.g. of nsenter) leads. Ends with `end`. */
export function answerAt(prefix: readonly string[], port: number): ChildProcess {
  const [file = "", ...args] = [
    ...prefix,
    ...FIRST,
    "haproxy",
    "-db",
    "-f",
    join(import.meta.dirname, "haproxy.cfg"),
  ];
  return spawn(file, args, { stdio: "ignore", env: { ...process.env, PORT: String(port) } });
}

/** Kills a child, and waits until it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

export interface Load {
  readonly url: string;
  /** wrk's own words: connections, seconds, headers. */
  readonly words: readonly string[];
  /** One request in so many milliseconds on each connection; as fast as can be when absent. */
  readonly everyMs?: number;
}

/** What wrk says. Fault when a request failed. */
export interface LoadTimes {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export async function load(prefix: readonly string[], { url, words, everyMs }: Load): Promise<LoadTimes> {
  const pace = everyMs === undefined ? [] : ["-s", join(import.meta.dirname, "pace.lua")];
  const [file = "", ...args] = [
    ...prefix,
    ...FIRST,
    "wrk",
    "-t1",
    "--latency",
    "--timeout",
    "10s",
    ...words,
    ...pace,
    url,
  ];
  const env = { ...process.env, PACE_MS: String(everyMs ?? 1) };
  const text = await execOk([file, ...args], { env });
  const failed = /Socket errors:.*|Non-2xx.*/.exec(text);
  if (failed !== null) throw new Error(`cannot load ${url}: ${failed[0]}`);
  return { perSecond: rateIn(text), p50Us: microsecondsIn(text, 50), p99Us: microsecondsIn(text, 99) };
}

function rateIn(text: string): number {
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
}

/** A line of wrk's distribution: "99%    2.01ms". */
function microsecondsIn(text: string, percent: number): number {
  const [, value = "", unit = ""] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(value) * ({ us: 1, ms: 1e3, s: 1e6 }[unit] ?? Number.NaN);
}
