import { z } from "zod";
import { equal, Fault } from "../lib/index.ts";
import { type Availability, type Cluster, type ClusterSpec, DEFAULT_CLUSTER_SPEC } from "../model/index.ts";
import {
  dict,
  duration,
  flag,
  goStruct,
  isEmpty,
  maybe,
  nanosOf,
  natural,
  readJson,
  text,
  texts,
  unserved,
  whole,
} from "./json.ts";
import { availabilitySchema } from "./node.ts";
import { formatTime } from "./time.ts";
import { tlsInfoToWire } from "./tls-info.ts";

/** Swarm's numbers for its raft. Shoal keeps its state in etcd; they are shown and taken back, and mean nothing. */
const RAFT = {
  SnapshotInterval: 10_000,
  KeepOldSnapshots: 0,
  LogEntriesForSlowFollowers: 500,
  ElectionTick: 10,
  HeartbeatTick: 1,
};

const raft = maybe(
  goStruct({
    SnapshotInterval: natural,
    KeepOldSnapshots: natural,
    LogEntriesForSlowFollowers: natural,
    ElectionTick: whole,
    HeartbeatTick: whole,
  }),
).transform((wire, context) => {
  const said = Object.entries(wire ?? {}).filter(([, value]) => !isEmpty(value));
  if (equal({ ...RAFT, ...Object.fromEntries(said) }, RAFT)) return undefined;
  const message =
    "cannot change raft's settings (--snapshot-interval, --max-snapshots): the state is kept in etcd";
  context.issues.push({ code: "custom", message, input: wire, params: { unsupported: true } });
  return z.NEVER;
});

const ca = "cannot change the cluster's CA (--external-ca, swarm ca): it is not supported yet";

const specSchema = goStruct({
  Name: text,
  Labels: dict,
  Orchestration: maybe(goStruct({ TaskHistoryRetentionLimit: maybe(z.int()) })),
  Raft: raft,
  Dispatcher: maybe(goStruct({ HeartbeatPeriod: duration })),
  CAConfig: maybe(
    goStruct({
      NodeCertExpiry: duration,
      ExternalCAs: unserved(ca),
      SigningCACert: unserved(ca),
      SigningCAKey: unserved(ca),
      ForceRotate: unserved(ca),
    }),
  ),
  TaskDefaults: unserved("cannot set TaskDefaults.LogDriver: it is not supported yet"),
  EncryptionConfig: maybe(
    goStruct({ AutoLockManagers: unserved("cannot use --autolock: it is not supported yet") }),
  ),
});

const MIN_EXPIRY_MS = 3_600_000;
/** An agent needs some heartbeats a minute; Swarm knows no upper bound. */
const MIN_HEARTBEAT_MS = 100;

type WireSpec = z.infer<typeof specSchema>;

/** The spec with Swarm's defaults where nothing (or zero) was said. */
function specOf(wire: WireSpec): ClusterSpec {
  const spec = {
    name: wire.Name || DEFAULT_CLUSTER_SPEC.name,
    labels: wire.Labels,
    taskHistoryLimit: wire.Orchestration?.TaskHistoryRetentionLimit ?? DEFAULT_CLUSTER_SPEC.taskHistoryLimit,
    heartbeatMs: wire.Dispatcher?.HeartbeatPeriod || DEFAULT_CLUSTER_SPEC.heartbeatMs,
    nodeCertExpiryMs: wire.CAConfig?.NodeCertExpiry || DEFAULT_CLUSTER_SPEC.nodeCertExpiryMs,
  };
  checkSpec(spec);
  return spec;
}

function checkSpec({ name, heartbeatMs, nodeCertExpiryMs }: ClusterSpec): void {
  const prefix = "rpc error: code = InvalidArgument desc = ";
  if (name !== DEFAULT_CLUSTER_SPEC.name) {
    throw new Fault("invalid", `${prefix}swarm spec must be named "${DEFAULT_CLUSTER_SPEC.name}"`);
  }
  if (nodeCertExpiryMs < MIN_EXPIRY_MS) {
    throw new Fault("invalid", `${prefix}minimum certificate expiry time is: 1h0m0s`);
  }
  if (heartbeatMs < 0)
    throw new Fault("invalid", `${prefix}heartbeat time period cannot be a negative duration`);
  if (heartbeatMs < MIN_HEARTBEAT_MS) {
    throw new Fault("invalid", `${prefix}heartbeat time period must be at least ${MIN_HEARTBEAT_MS}ms`);
  }
}

/** A cluster spec from `POST /swarm/update`. Faults: "invalid"; "unsupported" for raft, CA, autolock, log defaults. */
export function clusterSpecFromWire(json: unknown): ClusterSpec {
  return specOf(readJson(specSchema, json, "swarm spec"));
}

const initSchema = goStruct({
  ListenAddr: text,
  AdvertiseAddr: text,
  DataPathAddr: text,
  DataPathPort: natural,
  ForceNewCluster: flag,
  Spec: maybe(specSchema),
  AutoLockManagers: unserved("cannot use --autolock: it is not supported yet"),
  Availability: availabilitySchema,
  DefaultAddrPool: texts,
  SubnetSize: natural,
});

/** What `POST /swarm/init` asks for. */
export interface InitWire {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  readonly addressPools: readonly string[];
  readonly subnetSize: number;
  readonly forceNewCluster: boolean;
  readonly availability: Availability;
  readonly spec: ClusterSpec;
}

const DEFAULT_LISTEN = "0.0.0.0:2377";

/** Faults as `clusterSpecFromWire`. */
export function initFromWire(json: unknown): InitWire {
  const wire = readJson(initSchema, json, "init request");
  return {
    listenAddress: wire.ListenAddr || DEFAULT_LISTEN,
    advertiseAddress: wire.AdvertiseAddr,
    dataPathAddress: wire.DataPathAddr,
    dataPathPort: wire.DataPathPort,
    addressPools: wire.DefaultAddrPool,
    subnetSize: wire.SubnetSize,
    forceNewCluster: wire.ForceNewCluster,
    availability: wire.Availability,
    spec: wire.Spec === undefined ? DEFAULT_CLUSTER_SPEC : specOf(wire.Spec),
  };
}

const joinSchema = goStruct({
  ListenAddr: text,
  AdvertiseAddr: text,
  DataPathAddr: text,
  RemoteAddrs: texts,
  JoinToken: text,
  Availability: availabilitySchema,
});

/** What `POST /swarm/join` asks for. */
export interface JoinWire {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly remoteAddresses: readonly string[];
  readonly token: string;
  readonly availability: Availability;
}

/** Fault "invalid" for malformed JSON, a missing token or a missing address. */
export function joinFromWire(json: unknown): JoinWire {
  const wire = readJson(joinSchema, json, "join request");
  if (wire.RemoteAddrs.length === 0) {
    throw new Fault("invalid", "at least 1 RemoteAddr is required to join");
  }
  if (wire.JoinToken === "") throw new Fault("invalid", "a join token is required to join");
  return {
    listenAddress: wire.ListenAddr || DEFAULT_LISTEN,
    advertiseAddress: wire.AdvertiseAddr,
    dataPathAddress: wire.DataPathAddr,
    remoteAddresses: wire.RemoteAddrs,
    token: wire.JoinToken,
    availability: wire.Availability,
  };
}

/** The cluster in Docker's JSON (ClusterInfo, as `/info` shows it): without its secrets. */
export function clusterToWire(cluster: Cluster): Record<string, unknown> {
  return {
    ID: cluster.id,
    Version: { Index: cluster.version },
    CreatedAt: formatTime(cluster.createdAt),
    UpdatedAt: formatTime(cluster.updatedAt),
    Spec: clusterSpecToWire(cluster.spec),
    TLSInfo: tlsInfoToWire(cluster.rootCa.certificatePem),
    RootRotationInProgress: false,
    DefaultAddrPool: cluster.addressPools,
    SubnetSize: cluster.subnetSize,
    DataPathPort: cluster.dataPathPort,
  };
}

export function clusterSpecToWire(spec: ClusterSpec): Record<string, unknown> {
  return {
    Name: spec.name,
    Labels: spec.labels,
    Orchestration: { TaskHistoryRetentionLimit: spec.taskHistoryLimit },
    Raft: RAFT,
    Dispatcher: { HeartbeatPeriod: nanosOf(spec.heartbeatMs) },
    CAConfig: { NodeCertExpiry: nanosOf(spec.nodeCertExpiryMs) },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  };
}

/** `GET /swarm`: the cluster and its join tokens. */
export function swarmInspectToWire(
  cluster: Cluster,
  tokens: { readonly worker: string; readonly manager: string },
): Record<string, unknown> {
  return { ...clusterToWire(cluster), JoinTokens: { Worker: tokens.worker, Manager: tokens.manager } };
}
