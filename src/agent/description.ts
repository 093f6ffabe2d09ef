import { arch, availableParallelism, totalmem } from "node:os";
import type { GenericResource, NodeDescription } from "../model/index.ts";

const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l" };

/** What this machine is, in uname's words as Docker reports them. */
export function describeNode(
  hostname: string,
  engineVersion: string,
  labels: Record<string, string>,
  generic: readonly GenericResource[],
): NodeDescription {
  return {
    hostname,
    platform: { architecture: MACHINES[arch()] ?? arch(), os: "linux" },
    resources: { nanoCpus: availableParallelism() * 1e9, memoryBytes: totalmem(), generic },
    engineVersion,
    engineLabels: labels,
    plugins: [
      { type: "Log", name: "json-file" },
      { type: "Network", name: "overlay" },
      { type: "Volume", name: "local" },
    ],
  };
}
