import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { Maintenance } from "../gen/etcdserverpb/rpc_pb.ts";
import { GrpcClient } from "../grpc/index.ts";
import { aborted, type Clock, Fault, type Log, sleep } from "../lib/index.ts";
import { CLIENT_SOCKET, etcdArguments, PEER_SOCKET } from "./etcd-arguments.ts";
import { EtcdChild } from "./etcd-child.ts";
import { endOrphans, lockHolder } from "./orphans.ts";

export interface EtcdParts {
  /** etcd's data folder. */
  readonly dataDir: string;
  /** Folder for its sockets, ours alone; and with a short path: a socket's has 107 bytes (unix(7)). */
  readonly runDir: string;
  /** Most bytes of its database; 4 GiB when absent. */
  readonly quotaBytes?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Time to replay a large log; an etcd that cannot start ends by itself much sooner. */
const START_MS = 60_000;
const LOOK_MS = 10;
const PROBE_MS = 1_000;
const STOP_MS = 5_000;
const RESTART_MS = 50;
const MAX_RESTART_MS = 5_000;
/** sun_path less its final zero (unix(7)). */
const MAX_SOCKET_PATH = 107;
/** An etcd that lived so long is started again without the pauses of the ones before. */
const STEADY_MS = 60_000;

/**
 * Debian's etcd as our child: one member, spoken to over a unix socket in a folder that only root may enter, so no
 * other user and no network can reach it. When it dies it is started again.
 */
export class EtcdProcess {
  /** grpc-js's word for where it serves. */
  readonly target: string;
  readonly #parts: EtcdParts;
  #child: EtcdChild;
  #stopping = false;

  private constructor(parts: EtcdParts) {
    this.#parts = parts;
    this.target = `unix://${join(parts.runDir, CLIENT_SOCKET)}`;
    this.#child = this.#spawn();
  }

  /** Starts etcd and waits until it serves. Faults: "unavailable" says why it cannot; "invalid" for a long `runDir`. */
  static async start(given: EtcdParts): Promise<EtcdProcess> {
    const dataDir = resolve(given.dataDir);
    const runDir = resolve(given.runDir);
    const parts = { ...given, dataDir, runDir };
    const { clock, log } = parts;
    requireShort(join(runDir, CLIENT_SOCKET));
    makePrivate(dataDir);
    makePrivate(runDir);
    await endOrphans(dataDir, clock, log);
    const holder = lockHolder(dataDir);
    if (holder !== undefined) throw cannotStart(dataDir, `process ${holder} holds the lock on its data`);
    const etcd = new EtcdProcess(parts);
    try {
      await etcd.#serves();
      return etcd;
    } catch (error) {
      await etcd.stop();
      throw error;
    }
  }

  /** The process id of the etcd that runs now. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts etcd again whenever it dies, until the signal aborts or `stop` is called; etcd itself is left running. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let pause = RESTART_MS;
    while (true) {
      const started = clock.now();
      await Promise.race([this.#child.ended, aborted(signal)]);
      if (this.#stopping || signal.aborted) return;
      log.error("etcd died, starting it again", { reason: this.#child.reason, pauseMs: pause });
      await sleep(clock, pause, signal).catch(() => undefined);
      if (this.#stopping || signal.aborted) return;
      pause = clock.now() - started > STEADY_MS ? RESTART_MS : Math.min(pause * 2, MAX_RESTART_MS);
      this.#child = this.#spawn();
    }
  }

  /** Ends etcd: SIGTERM, and SIGKILL when that does not do. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child.running) return;
    child.kill("SIGTERM");
    const kill = this.#parts.clock.after(STOP_MS, () => child.kill("SIGKILL"));
    await child.ended;
    kill.cancel();
  }

  #spawn(): EtcdChild {
    const { dataDir, runDir, quotaBytes } = this.#parts;
    // A killed etcd leaves its sockets, and the next one takes that for an address in use.
    for (const socket of [CLIENT_SOCKET, PEER_SOCKET]) rmSync(join(runDir, socket), { force: true });
    return new EtcdChild(etcdArguments(dataDir, quotaBytes), runDir);
  }

  async #serves(): Promise<void> {
    const { clock, dataDir } = this.#parts;
    const started = clock.now();
    while (!(await answers(this.target))) {
      if (this.#child.missing) {
        throw new Fault(
          "unavailable",
          "cannot start etcd: etcd was not found; install etcd-server (apt-get install etcd-server)",
        );
      }
      if (!this.#child.running) throw cannotStart(dataDir, this.#child.reason);
      if (clock.now() - started > START_MS) {
        throw cannotStart(dataDir, `it does not answer after ${START_MS / 1_000} seconds`);
      }
      await sleep(clock, LOOK_MS);
    }
    this.#parts.log.info("etcd serves", { ms: clock.now() - started });
  }
}

/** Ends the etcd of this data folder, if one runs, and deletes all it stored: the node leaves the cluster. */
export async function removeEtcdData({ dataDir, clock, log }: Omit<EtcdParts, "runDir">): Promise<void> {
  await endOrphans(resolve(dataDir), clock, log);
  rmSync(dataDir, { recursive: true, force: true });
}

/** One question on a channel of its own, which needs no waiting for another's next try to connect. */
async function answers(target: string): Promise<boolean> {
  const client = new GrpcClient({ target, credentials: credentials.createInsecure(), name: "etcd" });
  try {
    await client.unary(Maintenance.method.status, {}, { deadlineMs: PROBE_MS });
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

function cannotStart(dataDir: string, reason: string): Fault {
  return new Fault("unavailable", `cannot start etcd on ${dataDir}: ${reason}`);
}

function requireShort(socket: string): void {
  if (Buffer.byteLength(socket) <= MAX_SOCKET_PATH) return;
  throw new Fault("invalid", `cannot start etcd: the socket's path is too long for unix(7): ${socket}`);
}

function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
}
