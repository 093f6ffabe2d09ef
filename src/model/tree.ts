/** What a path in a container is. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** The kernel's: kind of file and permissions. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Where a link leads in the end; empty for other files. */
  readonly linkTarget: string;
}

/** How a container's files differ from its image's. */
export interface FileChange {
  readonly kind: "modified" | "added" | "deleted";
  readonly path: string;
}
