import { afterAll, beforeAll, expect, test } from "vitest";
import { readDifferences } from "../conformance/differences.ts";
import { Twins } from "../conformance/lab.ts";
import { printFindings } from "../conformance/report.ts";
import { readSequences } from "../conformance/sequence.ts";
import { judge } from "../conformance/tell.ts";
import { testLabName } from "../support/swarm.ts";

/** A few sequences of `npm run conformance`, quick ones of each kind: what the CLI says of Docker's own Swarm and of Shoal. */
const CHOSEN = [
  "service-life",
  "flag-resources",
  "flag-updates",
  "bad-names",
  "bad-ports",
  "restart-on-failure",
  "job",
  "constraint-role",
  "network-words",
  "node-labels",
];

let twins: Twins;
const rows = readDifferences();

beforeAll(async () => {
  twins = await Twins.up(testLabName("twin"));
});
afterAll(() => twins?.[Symbol.asyncDispose]());

test.each(readSequences().filter(({ name }) => CHOSEN.includes(name)))("$name: $about", async (sequence) => {
  expect(printFindings(await judge(sequence, twins.docker, twins.shoal, rows))).toBe("");
});
