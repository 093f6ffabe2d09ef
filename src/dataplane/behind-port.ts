import type { Backend } from "./balancer.ts";
import type { EndpointFact, PortFact } from "./facts.ts";

/** What a task was published by when it was made. */
export type Words = EndpointFact["ports"];

/**
 * Who is asked for what comes to a published port, given the tasks' addresses, in their order, and their words. Programs were started for
 * the ports that their task was made with, so while an update changes them each task is asked at its own, and at a port that it has not,
 * not at all.
 */
export function behindPort(
  port: PortFact,
  addresses: readonly string[],
  tasks: ReadonlyMap<string, Words>,
): Backend[] {
  const backends: Backend[] = [];
  for (const address of addresses) {
    const words = tasks.get(address);
    const own = words === undefined ? port.target : targetOf(port, words);
    if (own !== undefined) backends.push({ address, port: own });
  }
  return backends;
}

/** By the number at which the port was published before, else by the program's own: then only its number outside is another. */
function targetOf({ protocol, published, target }: PortFact, words: readonly PortFact[]): number | undefined {
  const same = words.filter((word) => word.protocol === protocol);
  return (same.find((word) => word.published === published) ?? same.find((word) => word.target === target))
    ?.target;
}
