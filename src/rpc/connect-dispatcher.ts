import { Dispatcher } from "../gen/shoal/rpc_pb.ts";
import type { NodeIdentity } from "../identity/index.ts";
import { type Clock, Fault } from "../lib/index.ts";
import { CalledSession } from "./agent-stream.ts";
import { callFault } from "./call-fault.ts";
import { managerClient } from "./manager-client.ts";
import type { AgentStream } from "./services.ts";

export interface DispatcherTarget {
  /** A manager: "10.0.0.1:2377". */
  readonly address: string;
  /** Whom this node presents itself as. */
  readonly identity: NodeIdentity;
  readonly clock: Clock;
}

/**
 * A session with a manager, once it has let this node in. When the signal aborts, before or after, the session closes.
 * Faults: "unavailable" when there is no manager at the address; the manager's own.
 */
export async function connectDispatcher(
  { address, identity, clock }: DispatcherTarget,
  signal: AbortSignal,
): Promise<AgentStream> {
  signal.throwIfAborted();
  const client = managerClient(address, { kind: "node", identity });
  const call = client.bidi(Dispatcher.method.session);
  const session = new CalledSession(call, { clock, faultOf: (error) => callFault(address, error) });
  const onAbort = () => session.close();
  signal.addEventListener("abort", onAbort, { once: true });
  session.over.addEventListener("abort", () => {
    signal.removeEventListener("abort", onAbort);
    client.close();
  });
  await new Promise<void>((resolve, reject) => {
    call.once("metadata", () => resolve());
    call.once("error", (error) => reject(signal.aborted ? signal.reason : callFault(address, error)));
    call.once("status", () =>
      reject(new Fault("unavailable", `the manager at ${address} takes no sessions`)),
    );
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return session;
}
