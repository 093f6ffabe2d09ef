import { KV, Maintenance } from "../gen/etcdserverpb/rpc_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";

/** Rewriting a database of gigabytes takes its time; etcd answers nobody meanwhile. */
const REWRITE_MS = 120_000;
const CALL_MS = 5_000;
/** etcd 3.4 rpc.proto: AlarmRequest.AlarmAction, AlarmType. */
const DEACTIVATE = 2;
const NO_SPACE = 1;

/** etcd's word for a database that has reached its quota: it takes no writes until told that there is room again. */
export function isFull(error: unknown): boolean {
  return error instanceof Fault && error.message.includes("database space exceeded");
}

/** When less than this is gained, it is not history that fills the database. */
const WORTH = 0.2;

/**
 * Makes room in a database that is full of history, and lets etcd write again: forgets all but what is, and packs it.
 * False when that gained next to nothing.
 */
export async function makeRoom(client: GrpcClient): Promise<boolean> {
  const { header, dbSize } = await client.unary(Maintenance.method.status, {}, { deadlineMs: CALL_MS });
  await client
    .unary(
      KV.method.compact,
      { revision: header?.revision ?? 0n, physical: true },
      { deadlineMs: REWRITE_MS },
    )
    .catch((error: unknown) => {
      // Nothing was written since the last time.
      if (!(error instanceof Fault && error.message.includes("has been compacted"))) throw error;
    });
  await client.unary(Maintenance.method.defragment, {}, { deadlineMs: REWRITE_MS });
  const { alarms } = await client.unary(Maintenance.method.alarm, {}, { deadlineMs: CALL_MS });
  for (const { memberID, alarm } of alarms) {
    const lift = { action: DEACTIVATE, memberID, alarm };
    if (alarm === NO_SPACE) await client.unary(Maintenance.method.alarm, lift, { deadlineMs: CALL_MS });
  }
  const packed = await client.unary(Maintenance.method.status, {}, { deadlineMs: CALL_MS });
  return Number(packed.dbSize) < (1 - WORTH) * Number(dbSize);
}
