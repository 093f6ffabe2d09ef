import type { NetworkFacts, TaskFact } from "../dataplane/index.ts";
import { addressesOf, Zones } from "../dns/index.ts";
import { isWithin, remembered } from "../lib/index.ts";
import { networkWith } from "./names.ts";

/** How a name is answered. */
interface Answer {
  /** Never empty. */
  readonly addresses: readonly string[];
  readonly isVip: boolean;
  /** On which of the task's networks. */
  readonly network: string;
}

export const nameIs = (full: string, name: string): boolean => full === name || full.startsWith(`${name}.`);

const zonesOf = remembered((facts: NetworkFacts) => new Zones(facts));

/** The addresses that the resolver gives this task for a name, of IPv4; or for what people say short, see `inFull`. */
export function answerOf(facts: NetworkFacts, task: TaskFact, said: string): Answer | undefined {
  const zone = zonesOf(facts).zoneOf(task.gatewayAddress);
  if (zone === undefined) return undefined;
  const answer = (...names: readonly string[]) => names.flatMap((name) => addressesOf(zone, name) ?? []);
  const own = answer(said);
  const addresses = own.length > 0 ? own : [...new Set(answer(...inFull(facts, said)))];
  const [first] = addresses;
  if (first === undefined) return undefined;
  const bridge = facts.bridges?.find(({ subnet }) => isWithin(first, subnet));
  const network = (networkWith(facts, first) ?? bridge)?.name ?? "no network";
  return {
    addresses,
    isVip: facts.services.some(({ vips }) => Object.values(vips).includes(first)),
    network,
  };
}

/** The names that the resolver knows for a service's id and a task's name without its id ("web.1"), of any network or of one. */
function inFull({ services, endpoints, networks }: NetworkFacts, said: string): string[] {
  const ends = ["", ...networks.map(({ name }) => `.${name}`)].filter((end) => said.endsWith(end));
  return ends.flatMap((end) => {
    const [, tasks = "", word = ""] = /^(tasks\.)?(.*)$/.exec(said.slice(0, said.length - end.length)) ?? [];
    const byId = services.filter(({ id }) => id === word).map(({ name }) => `${tasks}${name}${end}`);
    const short = endpoints.filter(({ name }) => nameIs(name, word)).map(({ name }) => `${name}${end}`);
    return byId.length > 0 ? byId : short;
  });
}
