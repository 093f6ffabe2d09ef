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
