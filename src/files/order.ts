import type { FaultKind } from "../lib/index.ts";
import type { FileChange } from "./changes.ts";
import type { PathStat } from "./path-stat.ts";
import type { RootPlace, SnapshotMount } from "./root-place.ts";

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
