import { constants } from "node:os";
import { Fault } from "../lib/index.ts";

const RTMIN = 34;
const RTMAX = 64;
const DEFAULT = "SIGTERM";

export const SIGKILL: number = constants.signals.SIGKILL;

/** The number of "SIGTERM", "term", "15", "RTMIN+3"; SIGTERM's for an empty text. Fault "invalid" in Docker's words. */
export function signalNumber(text: string): number {
  const name = (text || DEFAULT).toUpperCase().replace(/^SIG/, "");
  const number = /^\d+$/.test(name) ? Number(name) : (realTime(name) ?? known(name));
  if (number === undefined || number < 1 || number > RTMAX) {
    throw new Fault("invalid", `invalid signal: ${text}`);
  }
  return number;
}

function known(name: string): number | undefined {
  return (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
}

function realTime(name: string): number | undefined {
  const [, base, sign = "+", offset = "0"] = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  const number = (base === "MIN" ? RTMIN : RTMAX) + (sign === "+" ? 1 : -1) * Number(offset);
  return number >= RTMIN ? number : undefined;
}
