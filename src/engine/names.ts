import { Fault, type Random, randomInt } from "../lib/index.ts";

/** moby daemon/names: RestrictedNamePattern. */
const NAME_REGEXP = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The name without the slash that Docker's API allows before it. Fault "invalid" in Docker's words. */
export function checkName(name: string): string {
  if (NAME_REGEXP.test(name)) return name.replace(/^\//, "");
  throw new Fault("invalid", `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

const HOWS =
  "amber brisk calm deft early fond gentle hardy idle jolly keen lucid merry neat open plain quiet ready steady tidy upbeat vivid warm young zesty".split(
    " ",
  );
const FISH =
  "anchovy bream carp dace eel flounder goby halibut ide jack koi ling minnow needlefish oarfish perch ray salmon tench umbra viperfish wrasse zander".split(
    " ",
  );

/** A name that nobody has, for a container that was given none: "quiet_perch". */
export function randomName(random: Random, isTaken: (name: string) => boolean): string {
  for (let round = 0; ; round++) {
    const name = `${pick(random, HOWS)}_${pick(random, FISH)}${round < TRIES ? "" : round}`;
    if (!isTaken(name)) return name;
  }
}

const TRIES = 10;

function pick(random: Random, words: readonly string[]): string {
  return words[randomInt(random, words.length)] ?? "";
}
