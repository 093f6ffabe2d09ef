import { create } from "@bufbuild/protobuf";
import { type Event, Watch, WatchRequestSchema, type WatchResponse } from "../gen/etcdserverpb/rpc_pb.ts";
import { faultOf, type GrpcClient } from "../grpc/index.ts";
import { Fault, Queue } from "../lib/index.ts";
import type { Commit, Entry } from "../store/index.ts";
import { endOf } from "./keys.ts";

/** etcd 3.4 kv.proto, Event.EventType. */
const DELETE_EVENT = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * One watch on one stream: commits under the prefix after `version`, whole and in order, until the signal aborts.
 * Fault "conflict" when etcd no longer has the history; any other when the stream broke, and one may ask again.
 */
export async function* watchOnce(
  client: GrpcClient,
  prefix: string,
  version: number,
  signal: AbortSignal,
): AsyncGenerator<Commit> {
  let events: Event[] = [];
  for await (const answer of answersTo(client, prefix, version + 1, signal)) {
    if (answer.canceled) throw endOfWatch(answer, version);
    events.push(...answer.events);
    // Large answers come in fragments; a revision may be spread over several of them.
    if (answer.fragment || events.length === 0) continue;
    yield* commitsOf(events);
    events = [];
  }
  if (!signal.aborted) throw new Fault("unavailable", "etcd Watch: the stream ended");
}

function endOfWatch({ compactRevision, cancelReason }: WatchResponse, version: number): Fault {
  if (compactRevision > 0n) {
    return new Fault("conflict", `cannot watch from version ${version}: history is compacted`);
  }
  return new Fault("unavailable", `etcd Watch: ${cancelReason || "canceled"}`);
}

async function* answersTo(
  client: GrpcClient,
  prefix: string,
  startRevision: number,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse> {
  const queue = new Queue<WatchResponse>();
  let failure: Fault | undefined;
  const call = client.bidi(Watch.method.watch);
  call.on("data", (answer: WatchResponse) => queue.push(answer));
  call.on("error", (error) => {
    failure = faultOf(error, "etcd Watch");
    queue.close();
  });
  call.on("end", () => queue.close());
  const stop = () => call.cancel();
  signal.addEventListener("abort", stop, { once: true });
  const value = {
    key: encoder.encode(prefix),
    rangeEnd: endOf(prefix),
    startRevision: BigInt(startRevision),
    fragment: true,
  };
  call.write(create(WatchRequestSchema, { requestUnion: { case: "createRequest", value } }));
  try {
    yield* queue;
    if (failure !== undefined && !signal.aborted) throw failure;
  } finally {
    signal.removeEventListener("abort", stop);
    call.cancel();
  }
}

/** Events of one revision are one commit; an answer may hold several, in order. */
function commitsOf(events: readonly Event[]): Commit[] {
  const commits = new Map<number, { version: number; puts: Entry[]; deletes: string[] }>();
  for (const { type, kv } of events) {
    if (kv === undefined) continue;
    const version = Number(kv.modRevision);
    const commit = commits.get(version) ?? { version, puts: [], deletes: [] };
    commits.set(version, commit);
    const key = decoder.decode(kv.key);
    if (type === DELETE_EVENT) commit.deletes.push(key);
    else commit.puts.push({ key, value: kv.value, version });
  }
  return [...commits.values()];
}
