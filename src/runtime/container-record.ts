import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Container, ContainerSchema } from "../gen/containerd/containers_pb.ts";
import type { Instant } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";
import type { ContainerConfig, ResolvedMount } from "./container.ts";
import type { HealthCheck } from "./health.ts";
import type { Probe } from "./health-check.ts";
import { SNAPSHOTTER } from "./image-labels.ts";
import type { OciSpec } from "./oci.ts";
import { encodeSpec } from "./spec.ts";

/** What we keep of a container with containerd's own record of it, so that a restarted daemon knows all. */
export interface ContainerRecord {
  readonly config: ContainerConfig;
  readonly imageId: Digest;
  readonly command: readonly string[];
  /** Number of the signal that asks it to stop. */
  readonly stopSignal: number;
  readonly mounts: readonly ResolvedMount[];
  /** Names of the volumes that go with it. */
  readonly ownVolumes: readonly string[];
  readonly createdAt: Instant;
  /** The image's and the config's in one, and what comes of it. */
  readonly healthCheck?: HealthCheck;
  readonly probe?: Probe;
}

const RUNTIME = "io.containerd.runc.v2";
const SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const EXTENSION = "shoal.container";
/** Names the JSON form: another one gets another number. */
const EXTENSION_TYPE = "shoal/container/1";

/** containerd's record; it keeps the snapshot of the same name from being collected. */
export function encodeRecord(
  record: ContainerRecord,
  spec: OciSpec,
): MessageInitShape<typeof ContainerSchema> {
  const { id, image } = record.config;
  return {
    id,
    image,
    runtime: { name: RUNTIME },
    spec: { typeUrl: SPEC_TYPE, value: encodeSpec(spec) },
    snapshotter: SNAPSHOTTER,
    snapshotKey: id,
    extensions: extensionsOf(record),
  };
}

/** The part that is ours. */
export function extensionsOf(
  record: ContainerRecord,
): Record<string, { typeUrl: string; value: Uint8Array }> {
  return { [EXTENSION]: { typeUrl: EXTENSION_TYPE, value: Buffer.from(JSON.stringify(record)) } };
}

/** Undefined for a container that is not ours. */
export function decodeRecord({ extensions }: Container): ContainerRecord | undefined {
  const extension = extensions[EXTENSION];
  if (extension?.typeUrl !== EXTENSION_TYPE) return undefined;
  return JSON.parse(Buffer.from(extension.value).toString()) as ContainerRecord;
}
