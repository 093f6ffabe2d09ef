import { type Random, randomInt } from "../lib/index.ts";

const MANNERS =
  "brisk calm clever eager gentle honest jolly keen kind lively mellow modest nimble patient placid plucky proud quiet serene sharp sober steady sturdy swift tidy trusty vivid warm wise witty".split(
    " ",
  );
const FISH =
  "anchovy barbel bream carp char cod dace dory eel flounder gar grayling gurnard haddock herring hake ling mackerel mullet perch pike plaice pollock roach salmon sardine sole sprat tench trout".split(
    " ",
  );

/** A name for a service that came without one, in Docker's form: "keen_herring4821". A shoal's names are its fish. */
export function randomName(random: Random): string {
  const word = (words: readonly string[]) => words[randomInt(random, words.length)] ?? "";
  return `${word(MANNERS)}_${word(FISH)}${randomInt(random, 10_000)}`;
}

/** In place of an address in a container's hosts: where it reaches its host. */
export const HOST_GATEWAY = "host-gateway";
