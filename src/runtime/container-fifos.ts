import { access, mkdir, rename, rm } from "node:fs/promises";
import { type Random, randomHex } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";

/** Made with one run of mkfifo(1): a run costs as much for many as for one. */
const AT_ONCE = 32;

/** Like any folder that is no container's, a start sweeps away those of earlier daemons. */
const PREFIX = ".fifos-";

/** Puts FIFOs where they are wanted. Node cannot make any, so there is a store of them under `dir`. */
export class FifoStore {
  readonly #dir: string;
  #spare: string[] = [];
  #made = 0;
  #making: Promise<void> | undefined;

  constructor(dir: string, random: Random) {
    this.#dir = `${dir}/${PREFIX}${randomHex(random, 8)}`;
  }

  /** A FIFO at each of the paths, in folders that are there; one that is there stays. */
  async put(paths: readonly string[]): Promise<void> {
    for (const path of paths) if (!(await exists(path))) await rename(await this.#take(), path);
  }

  /** Takes the spare ones away. */
  async close(): Promise<void> {
    await this.#making?.catch(() => {});
    this.#spare = [];
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #take(): Promise<string> {
    for (;;) {
      const fifo = this.#spare.pop();
      if (fifo !== undefined) return fifo;
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined;
      });
      await this.#making;
    }
  }

  async #make(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const paths = Array.from({ length: AT_ONCE }, () => `${this.#dir}/${this.#made++}`);
    await execOk(["mkfifo", "--mode=600", ...paths]);
    this.#spare.push(...paths);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
