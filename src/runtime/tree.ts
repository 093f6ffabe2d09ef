import type { FileChange, PathStat } from "../files/index.ts";

export type { FileChange, PathStat } from "../files/index.ts";

/**
 * What is in a container's file system, be it running or not, with what is mounted there. All take the full id. Faults: "not-found" in
 * Docker's words for a path that leads nowhere; "conflict" when a container that ran ends meanwhile.
 */
export interface ContainerTrees {
  /** A link is told of as a link, unless a "/" stands behind it. */
  stat(id: string, path: string): Promise<PathStat>;
  /** A tar archive of the file or folder, under its own name. It is read as fast as the caller reads, and ends with the signal. */
  read(id: string, path: string, signal: AbortSignal): Promise<PackedTree>;
  /**
   * Unpacks a tar archive, plain or by gzip, in a folder of the container. Faults: "invalid" in Docker's words for what is no folder, is
   * read-only, or is in the way.
   */
  write(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    how: WriteTree,
    signal: AbortSignal,
  ): Promise<void>;
  /** Its own file system, without what is mounted in it, as a tar archive. */
  export(id: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** How its own file system differs from its image. */
  changes(id: string): Promise<readonly FileChange[]>;
}

export interface PackedTree {
  readonly stat: PathStat;
  readonly archive: AsyncIterable<Uint8Array>;
}

export interface WriteTree {
  /** A folder does not take a file's place, nor a file a folder's. */
  readonly keepsKinds: boolean;
  /** The files are to be the container's user's, if it has one, whoever the archive says. */
  readonly asUser: boolean;
}
