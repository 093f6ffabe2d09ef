import { type NetworkFacts, netnsNameOf, type TaskFact } from "../dataplane/index.ts";
import { Fault, parseIpv4, parseIpv6 } from "../lib/index.ts";
import { HOST } from "../netstate/index.ts";
import { answerOf, nameIs } from "./named.ts";
import { addressOfNode, type NamedTask, ownerOf, tasksOf } from "./names.ts";
import { isIp6, type Protocol } from "./packet.ts";

/** Who connects, as far as this node can tell. */
export type Client =
  | { readonly kind: "task"; readonly name: string; readonly task: TaskFact }
  /** A program of the host's. */
  | { readonly kind: "host" }
  | { readonly kind: "outside"; readonly address: string };

/** To whom: one address, or several when a name has them all. */
export interface Destination {
  readonly said: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly protocol: Protocol;
  /** How the name was answered. */
  readonly because: string | undefined;
}

export const isAddress = (text: string): boolean =>
  parseIpv4(text) !== undefined || parseIpv6(text) !== undefined;

/**
 * Who `text` is: "host", an address outside, or a task by its name ("web.1"), full name, id, its service's name if
 * this node has one task of it, or the beginning of its id. Faults:
 * "not-found" for a word that is none, "invalid" for one that is several, "precondition" for a task of another node.
 */
export function clientOf(facts: NetworkFacts, text: string): Client {
  if (text === "host" || text === "127.0.0.1") return { kind: "host" };
  if (isAddress(text)) return outsideOrTask(facts, text);
  return taskClient(facts, requireTask(facts, text), text);
}

function outsideOrTask(facts: NetworkFacts, address: string): Client {
  if (address === facts.self.dataPathAddress) return { kind: "host" };
  const task = facts.tasks.find(({ addresses, addresses6 = {} }) =>
    [...Object.values(addresses), ...Object.values(addresses6)].includes(address),
  );
  if (task !== undefined) return taskClient(facts, requireTask(facts, task.taskId), address);
  const owner = ownerOf(facts, address);
  if (owner === undefined) return { kind: "outside", address };
  throw new Fault("precondition", `cannot trace from ${address}: it is ${owner}, no task of this node`);
}

function taskClient(facts: NetworkFacts, { taskId, nodeId, name }: NamedTask, text: string): Client {
  const task = facts.tasks.find((row) => row.taskId === taskId);
  if (task !== undefined) return { kind: "task", name, task };
  const where = `${nodeId} (${addressOfNode(facts, nodeId)})`;
  throw new Fault("precondition", `cannot trace from ${text}: it runs on node ${where}: ask there`);
}

function requireTask(facts: NetworkFacts, text: string): NamedTask {
  const tasks = tasksOf(facts);
  const full = facts.endpoints.find(({ name }) => name === text)?.taskId;
  const exact = tasks.filter(({ taskId, name }) => taskId === text || name === text || taskId === full);
  const ofService = tasks.filter(({ taskId }) => serviceOf(facts, taskId) === text);
  const found =
    [exact, ofService].find((some) => some.length > 0) ??
    tasks.filter(({ taskId }) => taskId.startsWith(text));
  const [task, another] = found;
  if (task === undefined)
    throw new Fault("not-found", `no task or container ${text} on this node's networks`);
  if (another !== undefined)
    throw new Fault("invalid", `several tasks are called ${text}: say more of the id`);
  return task;
}

/** The service of a task of this node, by its name. */
function serviceOf(facts: NetworkFacts, taskId: string): string | undefined {
  const id = facts.tasks.find((task) => task.taskId === taskId)?.serviceId;
  return facts.services.find((service) => service.id === id)?.name;
}

/** "web", "web:80", "10.0.1.5:80/udp", "[fd00:1::2]:80", ":8080" (this host) apart. The port is 80 when none is said. */
export function splitDestination(text: string): {
  host: string;
  port: number | undefined;
  protocol: Protocol;
} {
  const [, rest = text, protocol = "tcp"] = /^(.*)\/(tcp|udp|sctp)$/.exec(text) ?? [];
  const [, host = rest, port] =
    /^\[(.*)\](?::(\d+))?$/.exec(rest) ??
    (isIp6(rest.replace(/:\d+$/, "")) ? [] : (/^(.*):(\d+)$/.exec(rest) ?? []));
  return { host, port: port === undefined ? undefined : Number(port), protocol: protocol as Protocol };
}

const DEFAULT_PORT = 80;

/** Where the words lead for this client. Fault "not-found" for a name that is none; a reason when it leads nowhere. */
export function destinationOf(
  facts: NetworkFacts,
  client: Client,
  said: string,
): Destination | { readonly nowhere: string } {
  const { host, port, protocol } = splitDestination(said);
  const to = (addresses: readonly string[], because?: string, at = port ?? DEFAULT_PORT): Destination => ({
    ...{ said, addresses, port: at, protocol, because },
  });
  if (host === "" || host === "localhost") return to([here(facts, client)]);
  if (isAddress(host)) return to([host]);
  const name = host.replace(/^tasks\./, "");
  const service = facts.services.find((row) => row.name === name || row.id === name);
  if (client.kind !== "task") {
    if (service === undefined) throw new Fault("not-found", `no service ${name} on this node's networks`);
    const published = service.ports.filter(
      (row) => port === undefined || [row.published, row.target].includes(port),
    );
    const [one] = published;
    if (one === undefined)
      return {
        nowhere: `${name} publishes no port in ingress mode${port === undefined ? "" : ` that is ${port}`}`,
      };
    const because = `${name} publishes ${one.published}/${one.protocol} for its port ${one.target}`;
    return { ...to([here(facts, client)], because, one.published), protocol: one.protocol };
  }
  return byName(facts, client.task, { host, name }, to);
}

function here({ self }: NetworkFacts, client: Client): string {
  return client.kind === "host" ? "127.0.0.1" : self.dataPathAddress;
}

/** As the resolver answers a task: from the networks that it shares with whom it asks for. */
function byName(
  facts: NetworkFacts,
  task: TaskFact,
  { host, name }: { readonly host: string; readonly name: string },
  to: (addresses: readonly string[], because: string) => Destination,
): Destination | { readonly nowhere: string } {
  const answer = answerOf(facts, task, host);
  if (answer !== undefined) {
    const { addresses, network, isVip } = answer;
    const vip = isVip ? `, ${addresses.length === 1 ? "a VIP" : "VIPs"}` : "";
    return to(addresses, `name ${host} is ${addresses.join(", ")}${vip} on ${network}`);
  }
  const shared = facts.networks.filter(({ id, ingress }) => !ingress && task.addresses[id] !== undefined);
  const known =
    facts.services.some((row) => row.name === name) || facts.endpoints.some((row) => nameIs(row.name, name));
  const names = shared.map((network) => network.name).join(", ") || "none";
  if (known) return { nowhere: `the client has no name ${host}: they share no network (its own: ${names})` };
  throw new Fault("not-found", `no service, task or address ${host} on this node's networks`);
}

/** In which namespace the client is, and the address that its packets bear to a destination. */
export function startOf(client: Client): { readonly at: string; readonly iif: string | undefined } {
  if (client.kind === "task") return { at: netnsNameOf(client.task.taskId), iif: undefined };
  return { at: HOST, iif: client.kind === "host" ? undefined : OUTSIDE };
}

/** A link of the host's that is none of ours: by which the world comes. */
export const OUTSIDE = "(outside)";
