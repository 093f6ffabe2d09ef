import { equal } from "../lib/index.ts";
import type { Namespace } from "./node-network.ts";
import type { ObservedNamespace } from "./operations.ts";

/** The kernel's own load balancer (IPVS, ipvsadm(8)) in one namespace. What there is of it in a namespace of ours is ours. */
export interface Ipvs {
  readonly timeouts: IpvsTimeouts;
  readonly services: readonly IpvsService[];
}

/** Seconds of silence after which a connection is forgotten: an open one, one that was closed, a UDP one. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** Packets with a firewall mark go to one of the destinations, by NAT. An nft rule of ours sets the mark. */
export interface IpvsService {
  readonly family: "ip" | "ip6";
  /** Names the service: no two of a namespace have the same, whatever their family. */
  readonly mark: number;
  /** ip_vs_<scheduler> in the kernel: "rr", "wrr", "lc" … */
  readonly scheduler: string;
  /**
   * Its connections have an end. A destination that leaves then gets nothing new, but keeps what it has until there is no
   * route to it; without this its connections go to another at once.
   */
  readonly drains: boolean;
  readonly destinations: readonly IpvsDestination[];
}

export interface IpvsDestination {
  readonly address: string;
  /** 0: the port that the client asked for. */
  readonly port: number;
}

/** A destination that is in the kernel with weight 0: it gets nothing new. */
export interface DrainedDestination {
  readonly mark: number;
  readonly destination: IpvsDestination;
}

export type IpvsOperation =
  | { readonly op: "set-timeouts"; readonly timeouts: IpvsTimeouts }
  | { readonly op: "put-service"; readonly service: IpvsService }
  | { readonly op: "remove-service"; readonly mark: number }
  | { readonly op: "put-destination"; readonly mark: number; readonly destination: IpvsDestination }
  | { readonly op: "drain-destination"; readonly mark: number; readonly destination: IpvsDestination }
  | { readonly op: "remove-destination"; readonly mark: number; readonly destination: IpvsDestination }
  /** There is no way to this address any more: wherever it drains, it has ended. */
  | { readonly op: "end-draining"; readonly address: string };

/** "10.0.1.5:80"; IPv6 in brackets. */
export function destinationKey({ address, port }: IpvsDestination): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The steps that make one namespace's IPVS as wanted. */
export function diffIpvs(now: ObservedNamespace, want: Namespace): IpvsOperation[] {
  if (now.ipvs === undefined && now.drained === undefined && want.ipvs === undefined) return [];
  const there = new Map(now.ipvs?.services.map((service) => [service.mark, service]));
  const services = want.ipvs?.services ?? [];
  const wanted = new Set(services.map(({ mark }) => mark));
  const ways = hostRoutes(want);
  const put = services.flatMap((service) => diffService(there.get(service.mark), service, ways));
  const gone = [...there.keys()].filter((mark) => !wanted.has(mark));
  return [
    ...diffTimeouts(now.ipvs, want.ipvs),
    ...put,
    ...diffDrained(now, services, ways),
    ...gone.map((mark): IpvsOperation => ({ op: "remove-service", mark })),
    ...(want.ipvs === undefined ? [] : endings(now, ways)),
  ];
}

function diffTimeouts(now: Ipvs | undefined, want: Ipvs | undefined): IpvsOperation[] {
  if (want === undefined || equal(now?.timeouts, want.timeouts)) return [];
  return [{ op: "set-timeouts", timeouts: want.timeouts }];
}

function diffService(
  now: IpvsService | undefined,
  want: IpvsService,
  ways: ReadonlySet<string>,
): IpvsOperation[] {
  const { mark } = want;
  if (now !== undefined && equal(now, want)) return [];
  const before = new Map(now?.destinations.map((d) => [destinationKey(d), d]));
  const after = new Set(want.destinations.map(destinationKey));
  const fresh = want.destinations.filter((destination) => !before.has(destinationKey(destination)));
  const gone = [...before].flatMap(([key, destination]) => (after.has(key) ? [] : [destination]));
  const same = now?.scheduler === want.scheduler && now.family === want.family;
  return [
    ...(same ? [] : [{ op: "put-service", service: want } as const]),
    ...fresh.map((destination) => ({ op: "put-destination", mark, destination }) as const),
    ...gone.map((destination) => {
      const op = want.drains && ways.has(destination.address) ? "drain-destination" : "remove-destination";
      return { op, mark, destination } as const;
    }),
  ];
}

/** Of what was found draining: what is to drain no more. What is wanted again is put again by `diffService`. */
function diffDrained(
  now: ObservedNamespace,
  services: readonly IpvsService[],
  ways: ReadonlySet<string>,
): IpvsOperation[] {
  const wanted = new Map(services.map((service) => [service.mark, service]));
  return (now.drained ?? []).flatMap(({ mark, destination }): IpvsOperation[] => {
    const service = wanted.get(mark);
    const again = service?.destinations.some((d) => destinationKey(d) === destinationKey(destination));
    if (service === undefined || again || (service.drains && ways.has(destination.address))) return [];
    return [{ op: "remove-destination", mark, destination }];
  });
}

function endings(now: Namespace, ways: ReadonlySet<string>): IpvsOperation[] {
  return [...hostRoutes(now)]
    .filter((address) => !ways.has(address))
    .map((address) => ({ op: "end-draining", address }));
}

/** Addresses that have a route of their own: tasks and nodes. */
export function hostRoutes({ routes }: Pick<Namespace, "routes">): Set<string> {
  return new Set(routes.flatMap((route) => /^(.*)\/(?:32|128)$/.exec(route.destination)?.[1] ?? []));
}

/** An IPVS operation in words. */
export function describeIpvs(operation: IpvsOperation): string {
  switch (operation.op) {
    case "set-timeouts":
      return "set timeouts of IPVS";
    case "put-service":
      return `put IPVS service ${hexMark(operation.service.mark)}`;
    case "remove-service":
      return `remove IPVS service ${hexMark(operation.mark)}`;
    case "put-destination":
    case "drain-destination":
    case "remove-destination":
      return `${operation.op.replace("-", " ")} ${destinationKey(operation.destination)} of IPVS service ${hexMark(operation.mark)}`;
    case "end-draining":
      return `end draining of ${operation.address}`;
  }
}

/** In the words of ipvsadm(8). */
export function printIpvs(ipvs: Ipvs | undefined): string[] {
  if (ipvs === undefined) return [];
  const { tcp, tcpFin, udp } = ipvs.timeouts;
  const services = [...ipvs.services].sort((a, b) => a.mark - b.mark);
  return [
    `--set ${tcp} ${tcpFin} ${udp}`,
    ...services.flatMap(({ mark, scheduler, drains, destinations }) => [
      `-f ${hexMark(mark)} -s ${scheduler}${drains ? " drains" : ""}`,
      ...destinations
        .map((destination) => `-f ${hexMark(mark)} -r ${destinationKey(destination)} -m`)
        .sort((a, b) => (a < b ? -1 : 1)),
    ]),
  ];
}

/** As nft prints a mark. */
export const hexMark = (mark: number): string => `0x${mark.toString(16).padStart(8, "0")}`;
