import { readdir, rm } from "node:fs/promises";
import type { GrpcClient } from "../grpc/index.ts";
import {
  aborted,
  type Clock,
  Fault,
  Gate,
  type Log,
  messageOf,
  type Random,
  randomHex,
} from "../lib/index.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { execFifos, execIdOf } from "./container-folder.ts";
import type { ContainerKeeper } from "./container-keeper.ts";
import { getSpec } from "./container-store.ts";
import { ExecOutput } from "./exec-output.ts";
import { areSiblings, killSession } from "./exec-session.ts";
import {
  createExec,
  deleteExec,
  type ExecRef,
  execPid,
  killExec,
  listPids,
  startExec,
  waitExec,
} from "./exec-task.ts";
import type { ExecConfig, ExecResult } from "./health.ts";
import { FifoReader } from "./log-pump.ts";
import type { Machine } from "./machine.ts";
import type { OciProcess } from "./oci.ts";
import type { ProgramConfig } from "./program.ts";
import { SIGKILL } from "./signals.ts";
import { capabilitiesOfUser, execProcessOf } from "./spec-process.ts";
import { resolveUser } from "./user.ts";
import { readUserFiles } from "./user-files.ts";

export interface ExecParts {
  readonly client: GrpcClient;
  readonly keeper: ContainerKeeper;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A program on its way. */
interface Program {
  readonly ref: ExecRef;
  readonly process: OciProcess;
  readonly path: string;
  readonly output: ExecOutput;
  onStart(): void;
}

/** Programs being made at a time on this node: each costs a run of runc, and the containers' own work comes first. */
const AT_ONCE = 4;
/** How long one may take to die of SIGKILL. */
const KILL_MS = 10_000;
export const KILLED: number = 128 + SIGKILL;

/**
 * Runs programs in containers beside process 1. A program's FIFO is there from before it is made until it is gone, and has its id in
 * its name: that is how the next daemon knows what this one left.
 */
export class ContainerExecs {
  readonly #parts: ExecParts;
  /** Of programs that are not gone yet: in which container each is. */
  readonly #active = new Map<string, ContainerEntry>();
  readonly #running = new Set<Promise<void>>();
  readonly #making = new Gate(AT_ONCE);
  /** What process 1 of each container is; it never changes. */
  readonly #processes = new WeakMap<ContainerEntry, OciProcess>();

  constructor(parts: ExecParts) {
    this.#parts = parts;
  }

  /** An abort kills the program with all it started; what it wrote so far is then the result, and 137. */
  run(
    entry: ContainerEntry,
    config: ExecConfig,
    signal: AbortSignal,
    onStart: () => void = () => {},
  ): Promise<ExecResult> {
    const result = this.#run(entry, config, signal, onStart);
    const done = result.then(nothing, nothing).then(() => void this.#running.delete(done));
    this.#running.add(done);
    return result;
  }

  /** Resolves when nothing runs; whoever runs programs aborts them. */
  async close(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(
    entry: ContainerEntry,
    config: ExecConfig,
    signal: AbortSignal,
    onStart: () => void,
  ): Promise<ExecResult> {
    const process = await this.processOf(entry, config);
    const execId = randomHex(this.#parts.random, 32);
    const ref = { containerId: entry.id, execId };
    const path = execFifos(entry.folder, execId).out;
    const output = new ExecOutput();
    this.#active.set(execId, entry);
    try {
      const exitCode = await this.#carryOut(entry, { ref, process, path, output, onStart }, signal);
      await rm(path, { force: true });
      return { exitCode, output: output.toString() };
    } catch (error) {
      // With containerd away it stays, until that is back or the next daemon comes.
      await this.discard(ref, [path]).catch(() => {});
      if (entry.status === "running") throw error;
      return { exitCode: KILLED, output: output.toString() };
    } finally {
      this.#active.delete(execId);
    }
  }

  /** Ends what an earlier daemon, or this one when containerd went away, left in the container. */
  async sweep(entry: ContainerEntry): Promise<void> {
    const names = await readdir(entry.folder.runDir).catch(() => []);
    const ids = new Set(names.flatMap((name) => execIdOf(name) ?? []));
    for (const execId of [...ids].filter((id) => !this.#active.has(id))) {
      try {
        const paths = Object.values(execFifos(entry.folder, execId));
        await this.discard({ containerId: entry.id, execId }, paths, () => this.#killUntold(entry));
      } catch (error) {
        const { log } = this.#parts;
        log.warn("program left in a container", { container: entry.id, execId, error: messageOf(error) });
      }
    }
  }

  async #carryOut(entry: ContainerEntry, program: Program, signal: AbortSignal): Promise<number> {
    const { client, keeper, clock, log } = this.#parts;
    const { ref, process, path, output } = program;
    const exec = { id: ref.execId, args: process.args };
    await keeper.fifos.put([path]);
    const take = (chunk: Buffer): void => output.take(chunk);
    const reader = new FifoReader({ path, stream: "stdout", isHeldOpen: true, clock, log, take });
    try {
      keeper.emit("exec_create", entry, { exec });
      const pid = await this.#start(program, signal);
      if (pid === undefined) return KILLED;
      keeper.emit("exec_start", entry, { exec });
      program.onStart();
      const exitCode = await this.#ended(ref, pid, signal);
      await deleteExec(client, ref);
      reader.finish();
      keeper.emit("exec_die", entry, { exec: { ...exec, exitCode } });
      return exitCode;
    } finally {
      reader.close();
    }
  }

  /** Its pid; undefined when the signal came first. One that is not wanted any more holds nobody up while it is being made. */
  async #start({ ref, process, path }: Program, signal: AbortSignal): Promise<number | undefined> {
    const { client } = this.#parts;
    const make = async (): Promise<number> => {
      const streams = { stdin: "", stdout: path, stderr: path };
      await createExec(client, ref, { process, streams });
      return startExec(client, ref);
    };
    const { making } = await this.#making.run(async () => {
      if (signal.aborted) return { making: undefined };
      const making = make();
      await Promise.race([making.catch(nothing), aborted(signal)]);
      return { making };
    });
    return making;
  }

  async #ended(ref: ExecRef, pid: number, signal: AbortSignal): Promise<number> {
    const { client, log } = this.#parts;
    const kill = (): void => {
      this.kill(ref, pid).catch((error: unknown) => {
        log.warn("program not killed", { container: ref.containerId, error: messageOf(error) });
      });
    };
    signal.addEventListener("abort", kill, { once: true });
    if (signal.aborted) kill();
    try {
      return await waitExec(client, ref);
    } finally {
      signal.removeEventListener("abort", kill);
    }
  }

  /** The program, with all that it has started, as far as that is of its session. No error when it has ended. */
  async kill(ref: ExecRef, pid: number): Promise<void> {
    const { client } = this.#parts;
    await killSession(pid, () => listPids(client, ref.containerId));
    await killExec(client, ref);
  }

  /**
   * A runc that was cut off with containerd has told nobody which process it had started. Whatever has process 1's parent, the shim,
   * was started beside it, by nobody who lives if nothing of ours runs there. Fault "conflict" if something does.
   */
  async #killUntold(entry: ContainerEntry): Promise<void> {
    const list = (): Promise<number[]> => listPids(this.#parts.client, entry.id);
    const untold = (await list()).filter((pid) => areSiblings(pid, entry.pid));
    if (untold.length > 0 && [...this.#active.values()].includes(entry)) {
      throw new Fault("conflict", "cannot tell it from the programs that run there now");
    }
    for (const pid of untold) await killSession(pid, list);
  }

  /** A program of its own kind is on its way, until `release`: nobody else's sweep is to end it. */
  claim(entry: ContainerEntry): { readonly ref: ExecRef; release(): void } {
    const execId = randomHex(this.#parts.random, 32);
    this.#active.set(execId, entry);
    return { ref: { containerId: entry.id, execId }, release: () => void this.#active.delete(execId) };
  }

  /** Makes it when there is room: each costs a run of runc. */
  make<T>(work: () => Promise<T>): Promise<T> {
    return this.#making.run(work);
  }

  /** Whatever state it is in; `ifUntold` when containerd knows of no process. */
  async discard(
    ref: ExecRef,
    paths: readonly string[],
    ifUntold = async (): Promise<void> => {},
  ): Promise<void> {
    const { client } = this.#parts;
    const pid = await execPid(client, ref);
    if (pid === undefined) await ifUntold();
    else {
      await this.kill(ref, pid);
      await waitExec(client, ref, { deadlineMs: KILL_MS });
    }
    await deleteExec(client, ref);
    for (const path of paths) await rm(path, { force: true });
  }

  async processOf(entry: ContainerEntry, config: ExecConfig & Partial<ProgramConfig>): Promise<OciProcess> {
    const own = this.#processes.get(entry) ?? (await getSpec(this.#parts.client, entry.id)).process;
    this.#processes.set(entry, own);
    const bounding =
      config.isPrivileged === true ? [...this.#parts.machine.capabilities] : own.capabilities.bounding;
    const user = await this.#userOf(entry, config, own);
    return { ...execProcessOf(own, config, user), capabilities: capabilitiesOfUser(user, bounding) };
  }

  async #userOf(entry: ContainerEntry, { user }: ExecConfig, own: OciProcess): Promise<OciProcess["user"]> {
    if (user === undefined) return own.user;
    const files = await readUserFiles(`/proc/${entry.pid}/root`);
    return resolveUser(user, entry.record.config.groups, files);
  }
}

function nothing(): void {}
