import { silentLog } from "../../src/lib/index.ts";
import { RegistryClient } from "../../src/registry/index.ts";
import { ContainerdImages } from "../../src/runtime/images.ts";
import { systemClock, systemRandom } from "../../src/sys/index.ts";
import type { TestContainerd } from "./containerd.ts";

/** An image store in a containerd namespace, as one shoald has it. */
export interface TestImages {
  readonly images: ContainerdImages;
  close(): Promise<void>;
}

export function openImages(containerd: TestContainerd, namespace: string): TestImages {
  const registry = new RegistryClient({ log: silentLog, clock: systemClock });
  const address = { socket: containerd.socket, namespace };
  const images = new ContainerdImages({
    address,
    registry,
    log: silentLog,
    clock: systemClock,
    random: systemRandom,
  });
  return {
    images,
    async close() {
      images.close();
      await registry.close();
    },
  };
}
