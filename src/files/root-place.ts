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
