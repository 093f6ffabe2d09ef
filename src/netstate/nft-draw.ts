import { equal, remembered } from "../lib/index.ts";
import type { NftChain, NftTable } from "./node-network.ts";

/** The whole of a chain that draws a backend by turns: where a balancer's work changes with each endpoint that comes or goes. */
export interface Draw {
  readonly chain: string;
  /** What is drawn for: connections of one protocol to a target port, or whatever comes. */
  readonly port?: { readonly protocol: string; readonly target: number };
  /** Addresses of the table's family, by the number that draws them. */
  readonly backends: readonly string[];
}

const TO_ADDRESS = /^dnat to numgen inc mod \d+ map \{ (.*) \}$/;
const TO_PORT = /^meta l4proto (\w+) dnat ip6? to numgen inc mod \d+ map \{ (.*) \}$/;

/**
 * The draws that make `from` into `to`, when nothing else differs; undefined when something does, or a chain changes that is
 * not one draw.
 */
export function changedDraws(from: NftTable, to: NftTable): Draw[] | undefined {
  const rest = ({ chains: _, ...others }: NftTable) => others;
  if (to.family === "inet" || from.chains.length !== to.chains.length || !equal(rest(from), rest(to)))
    return undefined;
  const draws: Draw[] = [];
  for (const [i, chain] of to.chains.entries()) {
    const before = from.chains[i];
    if (before === chain) continue;
    if (before === undefined || before.name !== chain.name) return undefined;
    if (equal(before, chain)) continue;
    const draw = before.base === undefined && chain.base === undefined ? readDraw(chain) : undefined;
    if (draw === undefined) return undefined;
    draws.push(draw);
  }
  return draws;
}

/** A chain with one rule and that a draw; undefined for any other. */
export const readDraw: (chain: NftChain) => Draw | undefined = remembered(
  ({ name: chain, rules }: NftChain): Draw | undefined => {
    const [rule = "", ...more] = rules;
    if (more.length > 0) return undefined;
    const elements = TO_ADDRESS.exec(rule)?.[1];
    if (elements !== undefined) return { chain, backends: valuesOf(elements) };
    const [, protocol, pairs] = TO_PORT.exec(rule) ?? [];
    if (protocol === undefined || pairs === undefined) return undefined;
    const places = valuesOf(pairs).map((place) => place.split(" . "));
    const target = places[0]?.[1];
    if (target === undefined || places.some(([, port]) => port !== target)) return undefined;
    return {
      chain,
      port: { protocol, target: Number(target) },
      backends: places.map(([address = ""]) => address),
    };
  },
);

/** What stands behind "0 : ", "1 : " and so on. */
function valuesOf(elements: string): string[] {
  return elements.split(", ").map((element) => element.slice(element.indexOf(" : ") + 3));
}
