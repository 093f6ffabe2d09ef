import { Fault } from "../lib/index.ts";
import {
  type DrainedDestination,
  destinationKey,
  type Ipvs,
  type IpvsDestination,
  type IpvsService,
  type IpvsTimeouts,
  type ObservedNamespace,
} from "../netstate/index.ts";
import { familyOf } from "./netlink/formats.ts";
import { findFamily } from "./netlink/generic.ts";
import {
  destinationBody,
  dumpBody,
  IPVS_CMD_DEL_DEST,
  IPVS_CMD_DEL_SERVICE,
  IPVS_CMD_GET_CONFIG,
  IPVS_CMD_GET_DEST,
  IPVS_CMD_GET_SERVICE,
  IPVS_CMD_NEW_DEST,
  IPVS_CMD_NEW_SERVICE,
  IPVS_CMD_SET_DEST,
  IPVS_CMD_SET_SERVICE,
  IPVS_FAMILY,
  readDestination,
  readService,
  readTimeouts,
  type ServiceName,
  serviceBody,
  timeoutsBody,
  wholeServiceBody,
} from "./netlink/ipvs.ts";
import { AF_INET, AF_INET6 } from "./netlink/marks.ts";
import { NETLINK_GENERIC, NetlinkSocket, type Refusal } from "./netlink/socket.ts";
import { inside } from "./netns.ts";

const EEXIST = 17;
const LIVE = 1;
const DRAINING = 0;

/** The number of the kernel's IPVS family; null when it was looked for and not there. One for the whole machine. */
let family: number | null | undefined;

/** Whether this kernel has IPVS. Asked again, because a module may have been loaded since. */
export function hasIpvs(): boolean {
  const socket = new NetlinkSocket(NETLINK_GENERIC);
  try {
    family = findFamily(socket, IPVS_FAMILY) ?? null;
    return family !== null;
  } finally {
    socket.close();
  }
}

/** The IPVS of one namespace. A kernel without it has nothing to read, and refuses everything else. */
export class IpvsEdge {
  readonly #netns: number;
  #socket: NetlinkSocket | undefined;
  /** Destinations with weight 0, by address and then by key, and the marks of their services. */
  readonly #drained = new Map<string, DrainedDestination[]>();

  /** Takes the descriptor of the namespace, but not over. */
  constructor(netns: number) {
    this.#netns = netns;
  }

  close(): void {
    this.#socket?.close();
  }

  /** What is there. `want` tells which services drain: the kernel does not know. */
  read(want: Ipvs | undefined): Pick<ObservedNamespace, "ipvs" | "drained"> {
    if (family === undefined) hasIpvs();
    if (family === null || family === undefined) return {};
    const draining = new Set(want?.services.filter(({ drains }) => drains).map(({ mark }) => mark));
    const drained: DrainedDestination[] = [];
    const services = this.#dump(dumpBody(IPVS_CMD_GET_SERVICE)).flatMap((message): IpvsService[] => {
      const found = readService(message);
      if (found === undefined) return [];
      const { name, scheduler } = found;
      const rows = this.#readDestinations(name);
      const [live, idle] = [
        rows.filter(({ weight, byNat }) => weight > 0 && byNat),
        rows.filter(({ weight }) => weight === 0),
      ];
      drained.push(...idle.map(({ destination }) => ({ mark: name.mark, destination })));
      return [
        {
          family: name.family === AF_INET6 ? "ip6" : "ip",
          mark: name.mark,
          scheduler,
          drains: draining.has(name.mark),
          destinations: live.map(({ destination }) => destination),
        },
      ];
    });
    this.#drained.clear();
    for (const row of drained) this.#remember(row);
    if (want === undefined && services.length === 0) return {};
    return { ipvs: { timeouts: this.#readTimeouts(), services }, drained };
  }

  setTimeouts(timeouts: IpvsTimeouts): Refusal | undefined {
    return this.#ask(timeoutsBody(timeouts));
  }

  putService(service: IpvsService): Refusal | undefined {
    const name = { family: service.family === "ip6" ? AF_INET6 : AF_INET, mark: service.mark };
    const refusal = this.#ask(wholeServiceBody(IPVS_CMD_NEW_SERVICE, name, service));
    if (refusal?.errno !== EEXIST) return refusal;
    return this.#ask(wholeServiceBody(IPVS_CMD_SET_SERVICE, name, service));
  }

  /** Its connections end with it. */
  removeService(mark: number): Refusal | undefined {
    for (const [address, rows] of this.#drained) this.#keep(address, rows, (row) => row.mark !== mark);
    const refusals = [AF_INET, AF_INET6].map((of) =>
      this.#ask(serviceBody(IPVS_CMD_DEL_SERVICE, { family: of, mark })),
    );
    return refusals.some((refusal) => refusal === undefined) ? undefined : refusals[0];
  }

  putDestination(mark: number, destination: IpvsDestination): Refusal | undefined {
    this.#forget({ mark, destination });
    const name = nameOf(mark, destination);
    const refusal = this.#ask(destinationBody(IPVS_CMD_NEW_DEST, name, destination, LIVE));
    if (refusal?.errno !== EEXIST) return refusal;
    return this.#ask(destinationBody(IPVS_CMD_SET_DEST, name, destination, LIVE));
  }

  drainDestination(mark: number, destination: IpvsDestination): Refusal | undefined {
    this.#remember({ mark, destination });
    return this.#ask(destinationBody(IPVS_CMD_SET_DEST, nameOf(mark, destination), destination, DRAINING));
  }

  removeDestination(mark: number, destination: IpvsDestination): Refusal | undefined {
    this.#forget({ mark, destination });
    return this.#ask(destinationBody(IPVS_CMD_DEL_DEST, nameOf(mark, destination), destination, DRAINING));
  }

  /** Removes what drains at an address. */
  endDraining(address: string): Refusal | undefined {
    const rows = this.#drained.get(address) ?? [];
    const refusals = rows.map(({ mark, destination }) => this.removeDestination(mark, destination));
    return refusals.find((refusal) => refusal !== undefined);
  }

  #readDestinations(name: ServiceName): ReturnType<typeof readDestination>[] {
    const messages = this.#dump(dumpBody(IPVS_CMD_GET_DEST, name));
    return messages.map((message) => readDestination(message, name.family));
  }

  #readTimeouts(): IpvsTimeouts {
    const message = this.#open().find(familyNumber(), dumpBody(IPVS_CMD_GET_CONFIG));
    if (message === undefined) throw new Fault("internal", "cannot read IPVS: no timeouts");
    return readTimeouts(message);
  }

  #dump(body: Buffer): ReturnType<NetlinkSocket["dump"]> {
    return this.#open().dump(familyNumber(), body);
  }

  #ask(body: Buffer): Refusal | undefined {
    return this.#open().request(familyNumber(), 0, body);
  }

  /** Most namespaces have no IPVS: the socket is made when it is needed. */
  #open(): NetlinkSocket {
    this.#socket ??= inside(this.#netns, () => new NetlinkSocket(NETLINK_GENERIC));
    return this.#socket;
  }

  #remember(row: DrainedDestination): void {
    this.#forget(row);
    const { address } = row.destination;
    this.#drained.set(address, [...(this.#drained.get(address) ?? []), row]);
  }

  #forget({ mark, destination }: DrainedDestination): void {
    const rows = this.#drained.get(destination.address);
    const key = destinationKey(destination);
    if (rows === undefined) return;
    this.#keep(
      destination.address,
      rows,
      (row) => row.mark !== mark || destinationKey(row.destination) !== key,
    );
  }

  #keep(
    address: string,
    rows: readonly DrainedDestination[],
    stays: (row: DrainedDestination) => boolean,
  ): void {
    const left = rows.filter(stays);
    if (left.length === 0) this.#drained.delete(address);
    else this.#drained.set(address, left);
  }
}

const nameOf = (mark: number, { address }: IpvsDestination): ServiceName => ({
  family: familyOf(address),
  mark,
});

function familyNumber(): number {
  if (family === undefined) hasIpvs();
  if (family === null || family === undefined)
    throw new Fault("unsupported", "this kernel has no IPVS (module ip_vs)");
  return family;
}
