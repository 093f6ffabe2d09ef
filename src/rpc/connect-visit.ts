import { create } from "@bufbuild/protobuf";
import {
  NodeWordSchema,
  Visits,
  type NodeWord as WireNodeWord,
  type VisitorWord as WireVisitorWord,
} from "../gen/shoal/rpc_pb.ts";
import { Fault } from "../lib/index.ts";
import { callFault } from "./call-fault.ts";
import type { DispatcherTarget } from "./connect-dispatcher.ts";
import { nodeToWire, visitorFromWire } from "./convert-visit.ts";
import { managerClient } from "./manager-client.ts";
import type { VisitStream } from "./services.ts";
import { VisitEnd } from "./visit-end.ts";
import type { NodeWord, VisitorWord } from "./visit-messages.ts";

/** How long a manager may take to see the end of a visit. */
const CLOSE_MS = 2_000;

/**
 * A node's end of a visit that the manager at the address asked for, on a connection of its own. It is over when either end says so, the
 * connection is lost, or the signal aborts; `messages` then throws the reason, when there is one.
 */
export function connectVisit(
  { address, identity, clock }: DispatcherTarget,
  visitId: string,
  signal: AbortSignal,
): VisitStream<NodeWord, VisitorWord> {
  const client = managerClient(address, { kind: "node", identity });
  const call = client.bidi(Visits.method.visit);
  const stream = new VisitEnd<NodeWord, VisitorWord>({
    call: call as typeof call & { on(event: "data", fn: (message: WireVisitorWord) => void): unknown },
    toWire: (said) => create(NodeWordSchema, nodeToWire(said)) satisfies WireNodeWord,
    fromWire: (said) => visitorFromWire(said as WireVisitorWord),
    hangUp(now) {
      if (now) return call.cancel();
      const timer = clock.after(CLOSE_MS, () => call.cancel());
      stream.over.addEventListener("abort", () => timer.cancel(), { once: true });
    },
  });
  const stop = () => call.cancel();
  call.on("error", (error) => stream.failWith(callFault(address, error)));
  call.on("status", () => {
    signal.removeEventListener("abort", stop);
    stream.failWith(new Fault("unavailable", "the visitor has left"));
    stream.ended();
    client.close();
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  void stream.send({ kind: "come", visitId });
  return stream;
}
