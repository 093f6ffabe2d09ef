import { readIn } from "./rootfs.ts";
import type { UserFiles } from "./user.ts";

/** More than any real file; an image does not get to fill our memory. */
const MOST_BYTES = 4 << 20;
const MOST_IMAGES = 200;

/** The user files of images, read once each: a chain of layers never changes its content. */
export class UserFilesCache {
  readonly #known = new Map<string, Promise<UserFiles>>();

  /** `withRoot` gives the image's folder for a while. */
  of(
    topChainId: string,
    withRoot: (work: (root: string) => Promise<UserFiles>) => Promise<UserFiles>,
  ): Promise<UserFiles> {
    const known = this.#known.get(topChainId);
    if (known !== undefined) return known;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MOST_IMAGES && oldest !== undefined) this.#known.delete(oldest);
    const reading = withRoot(readUserFiles);
    this.#known.set(topChainId, reading);
    reading.catch(() => this.#known.delete(topChainId));
    return reading;
  }
}

/** `root`: an image's or a container's. */
export async function readUserFiles(root: string): Promise<UserFiles> {
  return {
    passwd: await readIn(root, "/etc/passwd", MOST_BYTES),
    group: await readIn(root, "/etc/group", MOST_BYTES),
  };
}
