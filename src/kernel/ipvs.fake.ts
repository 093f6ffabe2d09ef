import { Fault } from "../lib/index.ts";
import {
  type DrainedDestination,
  destinationKey,
  type Ipvs,
  type IpvsDestination,
  type IpvsOperation,
  type IpvsService,
  type ObservedNamespace,
} from "../netstate/index.ts";

/** What ipvsadm(8) shows where nobody has set anything. */
const UNTOUCHED: Ipvs = { timeouts: { tcp: 900, tcpFin: 120, udp: 300 }, services: [] };

/** A namespace after an operation on its IPVS, with the kernel's objections. */
export function changedIpvs(state: ObservedNamespace, operation: IpvsOperation): ObservedNamespace {
  const ipvs = state.ipvs ?? UNTOUCHED;
  switch (operation.op) {
    case "set-timeouts":
      return { ...state, ipvs: { ...ipvs, timeouts: operation.timeouts } };
    case "put-service": {
      const { service } = operation;
      const before = ipvs.services.find(({ mark }) => mark === service.mark);
      const made = { ...service, destinations: before?.destinations ?? [] };
      return withServices(state, [...ipvs.services.filter(({ mark }) => mark !== service.mark), made]);
    }
    case "remove-service": {
      const left = ipvs.services.filter(({ mark }) => mark !== operation.mark);
      return withDrained(withServices(state, left), (row) => row.mark !== operation.mark);
    }
    case "end-draining":
      return withDrained(state, (row) => row.destination.address !== operation.address);
    default:
      return changedDestination(state, ipvs, operation);
  }
}

type DestinationOperation = Extract<IpvsOperation, { readonly destination: IpvsDestination }>;

function changedDestination(
  state: ObservedNamespace,
  ipvs: Ipvs,
  { op, mark, destination }: DestinationOperation,
): ObservedNamespace {
  const key = destinationKey(destination);
  const service = ipvs.services.find((other) => other.mark === mark);
  if (service === undefined) throw new Fault("not-found", "No such process");
  const others = service.destinations.filter((other) => destinationKey(other) !== key);
  if (op === "drain-destination" && others.length === service.destinations.length)
    throw new Fault("not-found", "No such file or directory");
  const to = { ...service, destinations: op === "put-destination" ? [...others, destination] : others };
  const services = ipvs.services.map((other) => (other === service ? to : other));
  const left = withDrained(
    withServices(state, services),
    (row) => row.mark !== mark || destinationKey(row.destination) !== key,
  );
  const drained =
    op === "drain-destination" ? [...(left.drained ?? []), { mark, destination }] : left.drained;
  return { ...left, ...(drained !== undefined && { drained }) };
}

function withServices(state: ObservedNamespace, services: readonly IpvsService[]): ObservedNamespace {
  return { ...state, ipvs: { ...(state.ipvs ?? UNTOUCHED), services } };
}

function withDrained(
  state: ObservedNamespace,
  stays: (row: DrainedDestination) => boolean,
): ObservedNamespace {
  return state.drained === undefined ? state : { ...state, drained: state.drained.filter(stays) };
}
