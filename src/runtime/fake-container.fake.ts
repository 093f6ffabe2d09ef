import type { Instant } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";
import type { ContainerConfig, ContainerState, FileContents, LogEntry, ResolvedMount } from "./container.ts";
import { allMounts } from "./container-mounts.ts";
import type { ExecResult } from "./health.ts";
import { mergeHealthCheck, type Probe, probeOf } from "./health-check.ts";
import { requirePeer } from "./shared-network.ts";
import { signalNumber } from "./signals.ts";
import { commandOf, imageProcessOf } from "./spec-process.ts";

/** One container of FakeContainers. */
export interface FakeContainer {
  state: ContainerState;
  readonly stopSignal: number;
  /** What the process does on its stop signal: undefined when it does not care. */
  onStop: number | undefined;
  readonly entries: LogEntry[];
  /** Files that its scripts have made. */
  readonly files: Set<string>;
  /** What the files of its config hold. */
  readonly contents: FileContents;
  readonly probe: Probe | undefined;
  names?: Pick<ContainerConfig, "hosts" | "dns">;
  /** What its probes say, whatever they run. */
  answer: ExecResult | undefined;
  probing: AbortController | undefined;
}

/** Throws as a real one when it shares the network of a container that does not run. */
export function checkPeer({ state }: FakeContainer, all: ReadonlyMap<string, FakeContainer>): void {
  const { networkOf } = state.config;
  const peer = networkOf === undefined ? undefined : all.get(networkOf)?.state;
  if (networkOf !== undefined) requirePeer(networkOf, { peer, name: peer?.name });
}

/** One that was made just now. Faults "invalid" as a real one. */
export function freshContainer(
  config: ContainerConfig,
  of: {
    readonly contents: FileContents;
    readonly imageId: Digest;
    readonly imageConfig: Readonly<Record<string, unknown>>;
    readonly createdAt: Instant;
  },
): FakeContainer {
  const { id, name, labels } = config;
  const image = imageProcessOf(of.imageConfig);
  const mounts = allMounts(config.mounts, image.volumes).map(
    ({ type, source, target, readOnly }): ResolvedMount => ({ type, source, target, readOnly }),
  );
  const healthCheck = mergeHealthCheck(config.health, of.imageConfig);
  return {
    state: {
      ...{ id, name, labels, config, imageId: of.imageId, mounts, createdAt: of.createdAt },
      status: "created",
      image: config.image,
      command: commandOf(config, image),
      logPath: config.logDriver === "none" ? "" : `/fake/${id}-json.log`,
      ...(healthCheck !== undefined && { healthCheck }),
    },
    probe: probeOf(healthCheck, of.imageConfig),
    stopSignal: signalNumber(config.stopSignal || image.stopSignal),
    onStop: undefined,
    entries: [],
    ...{ files: new Set(), contents: of.contents },
    ...{ answer: undefined, probing: undefined },
  };
}
