import type { ContainerInfo } from "../api/index.ts";
import { macOf, type NetworkFacts } from "../dataplane/index.ts";
import { placeIn } from "../lib/index.ts";
import { HOST_NETWORK, type RunSpec } from "../model/index.ts";

type Place = ContainerInfo["networks"][number];
type Row = NetworkFacts["tasks"][number];
type Words = RunSpec["networks"];

/** Where a container is that has no network namespace of its own. */
export const HOST_PLACE: Place = {
  name: HOST_NETWORK.name,
  networkId: HOST_NETWORK.id,
  address: "",
  gateway: "",
  mac: "",
};

export interface ContainerNetworksParts {
  /** What the node's network is built from, and the container's row in it; a container that does not run has none. */
  readonly facts?: NetworkFacts | undefined;
  readonly row?: Row | undefined;
  /** What users said of the networks of a container made by hand. */
  readonly words?: Words;
  readonly networkMode?: string;
}

/** A container's places on networks; of one made by hand that does not run, where it will be. */
export function containerNetworks({ facts, row, words, networkMode }: ContainerNetworksParts): Place[] {
  const overlays = overlayPlaces(row, facts);
  const bridges = bridgePlaces(row, facts);
  if (words === undefined) return [...overlays, ...bridges];
  if (overlays.length + bridges.length === 0) return wantedPlaces(words, networkMode, facts);
  const wordOf = ({ name, networkId }: Place) => words.find(({ ref }) => ref === name || ref === networkId);
  return [
    ...overlays.map((place) => ({ ...place, aliases: wordOf(place)?.aliases ?? [] })),
    ...bridges.map((place) => ({ ...place, ...told(wordOf(place)) })),
  ];
}

function wantedPlaces(words: Words, mode: string | undefined, facts: NetworkFacts | undefined): Place[] {
  const nowhere = { networkId: "", address: "", gateway: "", mac: "" };
  if (mode === "none") return [{ name: "none", ...nowhere, asked: {} }];
  const all = [...(facts?.bridges ?? []), ...(facts?.networks ?? [])];
  return words.map((word) => {
    const network = all.find(({ name }) => name === word.ref) ?? all.find(({ id }) => id === word.ref);
    const known = network === undefined ? { name: word.ref } : { name: network.name, networkId: network.id };
    return { ...nowhere, ...known, ...told(word) };
  });
}

function told(word: Words[number] | undefined): Pick<Place, "aliases" | "asked"> {
  const { aliases = [], address, address6 } = word ?? {};
  const asked = { ...(address !== undefined && { address }), ...(address6 !== undefined && { address6 }) };
  return { aliases, asked };
}

/** Of a container made by hand. */
function bridgePlaces(row: Row | undefined, facts: NetworkFacts | undefined): Place[] {
  return Object.entries(row?.bridges ?? {}).flatMap(([networkId, { address, address6 }]) => {
    const network = facts?.bridges?.find((n) => n.id === networkId);
    return network === undefined ? [] : [placeOn(network, address, address6)];
  });
}

function overlayPlaces(row: Row | undefined, facts: NetworkFacts | undefined): Place[] {
  return Object.entries(row?.addresses ?? {}).flatMap(([networkId, address]) => {
    const network = facts?.networks.find((n) => n.id === networkId);
    return network === undefined ? [] : [placeOn(network, address, row?.addresses6?.[networkId])];
  });
}

type Network = NetworkFacts["networks"][number] | NonNullable<NetworkFacts["bridges"]>[number];

function placeOn(network: Network, address: string, address6: string | undefined): Place {
  const { id, name, v6 } = network;
  return {
    ...{ name, networkId: id, ...placeIn(network, address), mac: macOf(address) },
    ...(v6 !== undefined && address6 !== undefined && { v6: placeIn(v6, address6) }),
  };
}
