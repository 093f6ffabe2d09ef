import type { FaultKind } from "../lib/index.ts";
import type { FileChange } from "./changes.ts";
import type { PathStat } from "./path-stat.ts";

/** Whose files. */
export type RootPlace = RunningRoot | StoppedRoot;

/** What process 1 of a running container sees. */
export interface RunningRoot {
  readonly kind: "running";
  readonly pid: number;
  /** A part of its cgroup's path that no process outside has: numbers of processes are given anew. */
  readonly cgroup: string;
}

/** What its process would see: mounted for the time of the copying, where nobody else sees it. */
export interface StoppedRoot {
  readonly kind: "stopped";
  readonly snapshot: readonly SnapshotMount[];
  /** Each after the one it lies in. */
  readonly binds: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
  readonly readOnly: boolean;
  /** An empty folder of this machine to mount on. */
  readonly at: string;
}

/** As containerd says it. */
export interface SnapshotMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** What the copying program is to do; the first line of its input. */
export type Order =
  | { readonly do: "stat"; readonly place: RootPlace; readonly path: string }
  | { readonly do: "read"; readonly place: RootPlace; readonly path: string }
  | (WriteWords & { readonly do: "write"; readonly place: RootPlace; readonly path: string })
  /** The container's own file system, without what is mounted in it. */
  | { readonly do: "export"; readonly place: RootPlace }
  | { readonly do: "changes"; readonly snapshot: readonly SnapshotMount[] };

export interface WriteWords {
  /** A folder does not take a file's place, nor a file a folder's. */
  readonly keepsKinds: boolean;
  /** Whose the files are to be; absent: as the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A line of what it says: first that it is ready. The last one is "done", "fault" or "gone": the process that it was to look for is no more. */
export type Answer =
  | { readonly say: "stat"; readonly stat: Omit<PathStat, "mtime"> & { readonly mtime: string } }
  | { readonly say: "ready" }
  | { readonly say: "changes"; readonly changes: readonly FileChange[] }
  | { readonly say: "fault"; readonly kind: FaultKind; readonly message: string }
  | { readonly say: "gone" }
  | { readonly say: "done" };

/** Its descriptors besides standard input, which has the order and then the archive, and output, which is the archive. */
export const ANSWERS = 3;
