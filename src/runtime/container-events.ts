import { fromBinary } from "@bufbuild/protobuf";
import { type Envelope, Events, TaskExitSchema, TaskOOMSchema } from "../gen/containerd/events_pb.ts";
import { faultOf, type GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, Queue, sleep } from "../lib/index.ts";
import { exitOf, type TaskExit } from "./container-task.ts";

/** What containerd tells of processes. */
export type TaskEvent =
  | { readonly kind: "exit"; readonly id: string; readonly pid: number; readonly exit: TaskExit }
  | { readonly kind: "oom"; readonly id: string };

const EXIT = "/tasks/exit";
const OOM = "/tasks/oom";
/** Our own, sent to find out that the subscription is there: containerd does not say. */
const PROBE = "/shoal/probe";
const PROBE_TYPE = "shoal/probe";
const PROBE_EVERY_MS = 50;
const PROBES = 100;

/**
 * Subscribes to the events of one containerd namespace. `subscribed` runs once nothing is missed any more, then `take` gets
 * every event; ends with the stream's Fault, or with the signal's reason.
 */
export async function followEvents(
  { client, namespace, clock }: { client: GrpcClient; namespace: string; clock: Clock },
  handlers: { subscribed(): Promise<void>; take(event: TaskEvent): void },
  signal: AbortSignal,
): Promise<never> {
  signal.throwIfAborted();
  const filters = [EXIT, OOM, PROBE].map((topic) => `namespace=="${namespace}",topic=="${topic}"`);
  const stream = client.serverStream(Events.method.subscribe, { filters });
  const queue = new Queue<Envelope>();
  let failure = new Fault("unavailable", "containerd Subscribe: the stream ended");
  stream.on("data", (envelope: Envelope) => queue.push(envelope));
  stream.on("error", (error: unknown) => {
    failure = faultOf(error, "containerd Subscribe");
    queue.close();
  });
  stream.on("end", () => queue.close());
  const cancel = (): void => stream.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await probe(client, clock, queue, signal);
    await handlers.subscribed();
    for await (const envelope of queue) {
      const event = eventOf(envelope);
      if (event !== undefined) handlers.take(event);
    }
    signal.throwIfAborted();
    throw failure;
  } finally {
    signal.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

/** Sends events to itself until one comes back. */
async function probe(
  client: GrpcClient,
  clock: Clock,
  queue: Queue<Envelope>,
  signal: AbortSignal,
): Promise<void> {
  for (let i = 0; i < PROBES; i++) {
    const event = { typeUrl: PROBE_TYPE, value: new Uint8Array() };
    await client.unary(Events.method.publish, { topic: PROBE, event }, { signal });
    await sleep(clock, i === 0 ? 1 : PROBE_EVERY_MS, signal);
    if (queue.size > 0) return;
  }
  throw new Fault("unavailable", "cannot follow containerd's events: it sends none");
}

function eventOf({ topic, event, timestamp }: Envelope): TaskEvent | undefined {
  const value = event?.value;
  if (value === undefined) return undefined;
  if (topic === OOM) return { kind: "oom", id: fromBinary(TaskOOMSchema, value).containerId };
  if (topic !== EXIT) return undefined;
  const { containerId, id, pid, exitStatus, exitedAt } = fromBinary(TaskExitSchema, value);
  // Programs that were executed in a container beside process 1 end with events too.
  if (id !== containerId) return undefined;
  return { kind: "exit", id, pid, exit: exitOf(exitStatus, exitedAt ?? timestamp) };
}
