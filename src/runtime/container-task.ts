import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Process, Tasks } from "../gen/containerd/tasks_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault, type Instant } from "../lib/index.ts";
import type { ContainerConfig } from "./container.ts";
import type { ContainerFolder } from "./container-folder.ts";
import type { ContainerRecord } from "./container-record.ts";
import { type SnapshotMounts, unlessGone } from "./container-store.ts";
import type { OciResources } from "./oci.ts";

/** A container's process as containerd has it. */
export interface TaskState {
  readonly id: string;
  readonly status: "created" | "running" | "stopped";
  readonly pid: number;
  readonly isPaused: boolean;
  readonly exit?: TaskExit;
}

export interface TaskExit {
  /** 0 to 255; 128 + n for signal n. */
  readonly exitCode: number;
  readonly at: Instant | undefined;
}

/** containerd.v1.types.Status; paused processes count as running. */
const STATUSES: Readonly<Record<number, TaskState["status"]>> = { 1: "created", 3: "stopped" };
const PAUSED = 4;

/** Making a process takes long on a machine where many are made at once. */
const DEADLINE = { deadlineMs: 120_000 };

/** Nobody keeps what it writes: its streams are /dev/null. A terminal needs a reader all the same. */
export function isMute({ logDriver, tty }: Pick<ContainerConfig, "logDriver" | "tty">): boolean {
  return logDriver === "none" && !tty;
}

/** Makes the process, which waits for its start; its pid. Faults: "invalid" in runc's own words when it cannot run. */
export async function createTask(
  client: GrpcClient,
  id: string,
  { folder, record }: { readonly folder: ContainerFolder; readonly record: ContainerRecord },
  rootfs: SnapshotMounts,
): Promise<number> {
  const { tty, openStdin } = record.config;
  const isHeard = !isMute(record.config);
  const request = {
    containerId: id,
    rootfs: rootfs.map(({ type, source, target, options }) => ({ type, source, target, options })),
    stdin: openStdin ? folder.stdin : "",
    stdout: isHeard ? folder.stdout : "",
    stderr: isHeard && !tty ? folder.stderr : "",
    terminal: tty,
  };
  const { pid } = await client.unary(Tasks.method.create, request, DEADLINE).catch(ofRunc);
  return pid;
}

export async function startTask(client: GrpcClient, id: string): Promise<number> {
  const { pid } = await client.unary(Tasks.method.start, { containerId: id }, DEADLINE).catch(ofRunc);
  return pid;
}

/** Sends a signal to process 1; false when it has ended or was never made. */
export async function killTask(client: GrpcClient, id: string, signal: number): Promise<boolean> {
  try {
    await client.unary(Tasks.method.kill, { containerId: id, signal }, DEADLINE);
    return true;
  } catch (error) {
    if (Fault.is(error, "not-found")) return false;
    throw error;
  }
}

/** Freezes all its processes. */
export async function pauseTask(client: GrpcClient, id: string): Promise<void> {
  await client.unary(Tasks.method.pause, { containerId: id }, DEADLINE).catch(ofRunc);
}

/** They go on. No error when they do already, or have ended: runc itself thaws what it kills. */
export async function resumeTask(client: GrpcClient, id: string): Promise<void> {
  await client.unary(Tasks.method.resume, { containerId: id }, DEADLINE).catch((error: unknown) => {
    if (!(error instanceof Fault) || !/not paused|not found|stopped container/.test(error.message))
      ofRunc(error);
  });
}

const RESOURCES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/** Gives a running container other limits. */
export async function updateTask(client: GrpcClient, id: string, resources: OciResources): Promise<void> {
  const value = Buffer.from(JSON.stringify(resources));
  const request = { containerId: id, resources: { typeUrl: RESOURCES_TYPE, value } };
  await client.unary(Tasks.method.update, request, DEADLINE).catch(ofRunc);
}

/** Takes an ended or never started process away, with its shim and mount. No error when there is none. */
export async function deleteTask(client: GrpcClient, id: string): Promise<void> {
  await client.unary(Tasks.method.delete, { containerId: id }, DEADLINE).catch(unlessGone);
}

export async function getTask(client: GrpcClient, id: string): Promise<TaskState | undefined> {
  try {
    const { process } = await client.unary(Tasks.method.get, { containerId: id }, DEADLINE);
    return process && taskOf(process);
  } catch (error) {
    unlessGone(error);
    return undefined;
  }
}

export async function listTasks(client: GrpcClient): Promise<TaskState[]> {
  const { tasks } = await client.unary(Tasks.method.list, {}, DEADLINE);
  return tasks.map(taskOf);
}

export function exitOf(exitStatus: number, exitedAt: Timestamp | undefined): TaskExit {
  const at = exitedAt === undefined ? undefined : timestampMs(exitedAt);
  return { exitCode: exitStatus, at: at !== undefined && at > 0 ? at : undefined };
}

function taskOf({ containerId, id, status, pid, exitStatus, exitedAt }: Process): TaskState {
  const found = STATUSES[status] ?? "running";
  return {
    id: containerId || id,
    status: found,
    pid,
    isPaused: status === PAUSED,
    ...(found === "stopped" && { exit: exitOf(exitStatus, exitedAt) }),
  };
}

/** runc's sentence without the way it came. */
export function ofRunc(error: unknown): never {
  if (!(error instanceof Fault) || error.kind !== "internal") throw error;
  const said = error.message.replace(/^containerd \w+: /, "");
  throw new Fault(/OCI runtime/.test(said) ? "invalid" : "internal", said, { cause: error });
}
