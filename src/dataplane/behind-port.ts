import type { Backend } from "./balancer.ts";
import type { EndpointFact, PortFact } from "./facts.ts";

/**
 * Where a task is asked for what comes to a published port, given its address and what was published when it was made; nowhere, or at one
 * place. Its program was started for those ports, so while an update changes them each task is asked at its own, and at a port that it has
 * not, not at all. Where it is not said what was published, at the service's.
 */
export function behindPort(
  port: PortFact,
  { address, ports }: { readonly address: string; readonly ports: EndpointFact["ports"] },
): Backend[] {
  const own = ports === undefined ? port.target : targetOf(port, ports);
  return own === undefined ? [] : [{ address, port: own }];
}

/** By the number at which the port was published before, else by the program's own: then only its number outside is another. */
function targetOf({ protocol, published, target }: PortFact, words: readonly PortFact[]): number | undefined {
  const same = words.filter((word) => word.protocol === protocol);
  return (same.find((word) => word.published === published) ?? same.find((word) => word.target === target))
    ?.target;
}
