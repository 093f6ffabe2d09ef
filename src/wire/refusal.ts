import { Fault } from "../lib/index.ts";

/** swarmkit's words arrive through gRPC, and its prefix is part of them. */
export function invalid(what: string): Fault {
  return new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
}
