import { create } from "@bufbuild/protobuf";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import {
  VisitorWordSchema,
  type NodeWord as WireNodeWord,
  type VisitorWord as WireVisitorWord,
} from "../gen/shoal/rpc_pb.ts";
import { statusOf } from "../grpc/index.ts";
import { type Clock, Fault } from "../lib/index.ts";
import { nodeFromWire, visitorToWire } from "./convert-visit.ts";
import { VisitEnd } from "./visit-end.ts";
import type { NodeWord, VisitorWord } from "./visit-messages.ts";

/** How long a node may take to see the end of a visit: then its connection is cut. */
const CLOSE_MS = 1_000;

/** A manager's end of a visit, on a gRPC call; and how to turn the call away. `disconnect` cuts the connection it came on. */
export function serveVisit(
  call: ServerDuplexStream<WireNodeWord, WireVisitorWord>,
  { clock, disconnect }: { readonly clock: Clock; readonly disconnect: () => void },
): { readonly stream: VisitEnd<VisitorWord, NodeWord>; refuse(fault: Fault): void } {
  const cutOffLate = () => {
    const timer = clock.after(CLOSE_MS, disconnect);
    stream.over.addEventListener("abort", () => timer.cancel(), { once: true });
  };
  const stream = new VisitEnd<VisitorWord, NodeWord>({
    call,
    toWire: (said) => create(VisitorWordSchema, visitorToWire(said)),
    fromWire: (said) => nodeFromWire(said as WireNodeWord),
    hangUp: (now) => (now ? disconnect() : cutOffLate()),
  });
  const lost = () => stream.failWith(new Fault("unavailable", "the connection to the node is lost"));
  call.on("cancelled", () => {
    lost();
    stream.ended();
  });
  call.on("close", () => stream.ended());
  return {
    stream,
    refuse(fault) {
      call.emit("error", statusOf(fault));
      cutOffLate();
    },
  };
}
