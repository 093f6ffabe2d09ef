import { Dispatcher } from "../gen/shoal/rpc_pb.ts";
import type { NodeIdentity } from "../identity/index.ts";
import { callFault } from "./call-fault.ts";
import { managerClient } from "./manager-client.ts";

/** A connection to a manager for heartbeats alone. */
export interface BeatLine {
  /** Says that the node of this session lives; resolves to the milliseconds until the next. Faults as `DispatcherService.beat`. */
  beat(sessionId: string): Promise<number>;
  close(): void;
}

/** How long an answer may take. */
const CALL_MS = 5_000;

/** A connection of its own to the manager at "10.0.0.1:2377", made at the first beat and again when it is lost. */
export function openBeatLine(address: string, identity: NodeIdentity): BeatLine {
  const client = managerClient(address, { kind: "node", identity });
  return {
    async beat(sessionId) {
      try {
        const answer = await client.unary(Dispatcher.method.beat, { sessionId }, { deadlineMs: CALL_MS });
        return answer.periodMs;
      } catch (error) {
        throw callFault(address, error);
      }
    },
    close: () => client.close(),
  };
}
