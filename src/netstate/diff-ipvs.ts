import { equal, remembered } from "../lib/index.ts";
import { hostRoutes } from "./host-routes.ts";
import { destinationKey, type Ipvs, type IpvsOperation, type IpvsService } from "./ipvs.ts";
import type { Namespace } from "./node-network.ts";
import type { ObservedNamespace } from "./operations.ts";

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
  const { drained = [] } = now;
  if (drained.length === 0) return [];
  const wanted = new Map(services.map((service) => [service.mark, service]));
  const keysOf = remembered(({ destinations }: IpvsService) => new Set(destinations.map(destinationKey)));
  return drained.flatMap(({ mark, destination }): IpvsOperation[] => {
    const service = wanted.get(mark);
    if (service === undefined || (service.drains && ways.has(destination.address))) return [];
    if (keysOf(service).has(destinationKey(destination))) return [];
    return [{ op: "remove-destination", mark, destination }];
  });
}

function endings(now: Namespace, ways: ReadonlySet<string>): IpvsOperation[] {
  return [...hostRoutes(now)]
    .filter((address) => !ways.has(address))
    .map((address) => ({ op: "end-draining", address }));
}
