import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdBackend, EtcdProcess } from "../../src/etcd/index.ts";
import { silentLog } from "../../src/lib/index.ts";
import { systemClock } from "../../src/sys/index.ts";

export interface TestEtcd {
  readonly etcd: EtcdProcess;
  readonly backend: EtcdBackend;
  readonly folder: string;
}

/** Real etcds in folders of their own, and `end` to stop them and take everything away. */
export class TestEtcds {
  readonly #undo: (() => Promise<void>)[] = [];

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), "shoal-etcd-"));
    this.#undo.push(async () => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  async start(folder: string = this.folder(), more: { quotaBytes?: number } = {}): Promise<TestEtcd> {
    const etcd = await EtcdProcess.start({ ...partsIn(folder), ...more });
    const backend = new EtcdBackend({ target: etcd.target, clock: systemClock, log: silentLog });
    this.#undo.push(async () => {
      backend.close();
      await etcd.stop();
    });
    return { etcd, backend, folder };
  }

  /** Runs the repair loop until the end. */
  keep({ etcd }: TestEtcd): void {
    const stop = new AbortController();
    const running = etcd.run(stop.signal);
    this.#undo.push(async () => {
      stop.abort();
      await running;
    });
  }

  async end(): Promise<void> {
    for (const step of this.#undo.splice(0).reverse()) await step();
  }
}

export function partsIn(folder: string): Parameters<typeof EtcdProcess.start>[0] {
  return {
    dataDir: join(folder, "data"),
    runDir: join(folder, "run"),
    clock: systemClock,
    log: silentLog,
  };
}

/** Looks every 10 ms until `look` answers; throws after 20 s. */
export async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 2_000; tries++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}
