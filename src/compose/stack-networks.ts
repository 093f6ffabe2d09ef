import type { Position, Problems } from "./problem.ts";
import type { Said } from "./read.ts";
import type { ServiceWords } from "./service-words.ts";
import { type Json, scoped, stackLabels, type WantedNetwork } from "./stack.ts";
import type { NetworkWords } from "./stack-words.ts";

type Networks = ReadonlyMap<string, Said<Partial<NetworkWords>>>;

/** Every service that names no network is on this one. */
const DEFAULT = "default";
const NO_ALIASES = new Set(["host", "bridge", "none", "default"]);

/** A network's name in the cluster. */
function networkName(stack: string, key: string, words: Partial<NetworkWords> | undefined): string {
  if (typeof words?.external === "string") return words.external;
  return words?.name ?? (isExternal(words) ? key : scoped(stack, key));
}

const isExternal = (words: Partial<NetworkWords> | undefined): boolean =>
  words?.external !== undefined && words.external !== false;

/** A service's places on networks, in Docker's JSON. */
export function resolveNetworks(
  words: Partial<ServiceWords>,
  networks: Networks,
  { stack, key, problems }: { stack: string; key: string; problems: Problems; at: Position },
): Json[] {
  const uses = [...(words.networks ?? [])];
  const wanted = uses.length > 0 ? uses : [[DEFAULT, undefined] as const];
  return wanted
    .flatMap(([name, use]) => {
      const known = networks.get(name);
      if (known === undefined && name !== DEFAULT && use !== undefined)
        return problems.error(use.at, `there is no network ${name}: name it under networks`) ?? [];
      const target = networkName(stack, name, known?.value);
      const options = [...(use?.value.driver_opts ?? [])].map(([option, value]) => [option, value ?? ""]);
      return [
        {
          Target: target,
          ...(!NO_ALIASES.has(target) && { Aliases: [...(use?.value.aliases ?? []), key] }),
          ...(options.length > 0 && { DriverOpts: Object.fromEntries(options) }),
        },
      ];
    })
    .sort((a, b) => (a.Target < b.Target ? -1 : 1));
}

/** The networks that services are on; a network that none is on is not made. */
export function wantedNetworks(
  stack: string,
  networks: Networks,
  used: ReadonlySet<string>,
  at: Position,
  problems: Problems,
): WantedNetwork[] {
  for (const [key, { at: where }] of networks)
    if (!used.has(key)) problems.warn(where, `no service is on the network ${key}: it is not made`);
  return [...used].flatMap((key) => {
    const known = networks.get(key);
    if (known === undefined && key !== DEFAULT) return [];
    const words = known?.value ?? {};
    const name = networkName(stack, key, known?.value);
    const external = isExternal(words);
    return [
      { key, name, at: known?.at ?? at, external, body: external ? {} : networkBody(stack, name, words) },
    ];
  });
}

function networkBody(stack: string, name: string, words: Partial<NetworkWords>): Json {
  const options = [...(words.driver_opts ?? [])].map(([key, value]) => [key, value ?? ""]);
  const config = (words.ipam?.config ?? []).map(({ subnet, gateway, ip_range: range }) => ({
    ...(subnet !== undefined && { Subnet: subnet }),
    ...(gateway !== undefined && { Gateway: gateway }),
    ...(range !== undefined && { IPRange: range }),
  }));
  return {
    Name: name,
    Driver: words.driver ?? "overlay",
    Options: Object.fromEntries(options),
    Internal: words.internal ?? false,
    Attachable: words.attachable ?? false,
    ...(words.enable_ipv6 === true && { EnableIPv6: true }),
    Labels: stackLabels(stack, words.labels),
    ...(words.ipam !== undefined && {
      IPAM: {
        ...(words.ipam.driver && { Driver: words.ipam.driver }),
        ...(config.length > 0 && { Config: config }),
      },
    }),
  };
}
