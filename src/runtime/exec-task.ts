import { Tasks } from "../gen/containerd/tasks_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";
import { unlessGone } from "./container-store.ts";
import { ofRunc } from "./container-task.ts";
import type { OciProcess } from "./oci.ts";
import type { TerminalSize } from "./program.ts";
import { encodeSpec } from "./spec.ts";

/** A program that runs in a container beside its process 1, as containerd names it. */
export interface ExecRef {
  readonly containerId: string;
  readonly execId: string;
}

const PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process";
const DEADLINE = { deadlineMs: 120_000 };
const SIGKILL = 9;

/** FIFOs of a program's streams; empty: it has none. */
export interface ExecStreams {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Tells the shim what is to run. */
export async function createExec(
  client: GrpcClient,
  ref: ExecRef,
  { process, streams }: { readonly process: OciProcess; readonly streams: ExecStreams },
): Promise<void> {
  const spec = { typeUrl: PROCESS_TYPE, value: encodeSpec(process) };
  await client.unary(Tasks.method.exec, { ...ref, ...streams, terminal: process.terminal, spec }, DEADLINE);
}

/** Of a program's terminal, or with an empty id of process 1's. No error when it has ended. */
export async function resizeTerminal(client: GrpcClient, ref: ExecRef, size: TerminalSize): Promise<void> {
  const request = { ...ref, width: size.columns, height: size.rows };
  await client.unary(Tasks.method.resizePty, request, DEADLINE).catch(unlessGone);
}

/** Its input is at its end. No error when it has ended. */
export async function closeInput(client: GrpcClient, ref: ExecRef): Promise<void> {
  await client.unary(Tasks.method.closeIO, { ...ref, stdin: true }, DEADLINE).catch(unlessGone);
}

/** Lets it run; its pid. Faults: "invalid" in runc's own words when it cannot. */
export async function startExec(client: GrpcClient, ref: ExecRef): Promise<number> {
  return (await client.unary(Tasks.method.start, ref, DEADLINE).catch(ofRunc)).pid;
}

/** Its exit code, once it has ended. */
export async function waitExec(
  client: GrpcClient,
  ref: ExecRef,
  settings: { readonly deadlineMs?: number } = {},
): Promise<number> {
  return (await client.unary(Tasks.method.wait, ref, settings)).exitStatus;
}

/** No error when it has ended. */
export async function killExec(client: GrpcClient, ref: ExecRef): Promise<void> {
  await client.unary(Tasks.method.kill, { ...ref, signal: SIGKILL }, DEADLINE).catch(unlessGone);
}

/** Takes it away once it has ended, with all of its output passed on. No error when there is none. */
export async function deleteExec(
  client: GrpcClient,
  ref: ExecRef,
  settings: { readonly deadlineMs?: number } = DEADLINE,
): Promise<void> {
  await client.unary(Tasks.method.deleteProcess, ref, settings).catch(unlessGone);
}

/** Its pid; undefined when containerd knows of none, or it never ran. */
export async function execPid(client: GrpcClient, ref: ExecRef): Promise<number | undefined> {
  try {
    const { process } = await client.unary(Tasks.method.get, ref, DEADLINE);
    return process?.pid || undefined;
  } catch (error) {
    unlessGone(error);
    return undefined;
  }
}

/** Pids of all that runs in a container; none when it has ended. */
export async function listPids(client: GrpcClient, containerId: string): Promise<number[]> {
  try {
    const { processes } = await client.unary(Tasks.method.listPids, { containerId }, DEADLINE);
    return processes.map(({ pid }) => pid);
  } catch (error) {
    if (Fault.is(error, "unavailable")) throw error;
    return [];
  }
}
