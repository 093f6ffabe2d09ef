import { expect, test } from "vitest";
import { parseGenericResources } from "./generic-resources.ts";

test.each([
  [[], []],
  [["fpga=2"], [{ kind: "fpga", count: 2 }]],
  [[" fpga = 0 "], [{ kind: "fpga", count: 0 }]],
  [
    ["gpu=u1", "fpga=2", "gpu=u2"],
    [
      { kind: "gpu", id: "u1" },
      { kind: "gpu", id: "u2" },
      { kind: "fpga", count: 2 },
    ],
  ],
  [["gpu=u1", "gpu=u1"], [{ kind: "gpu", id: "u1" }]],
])("%j", (terms, resources) => {
  expect(parseGenericResources(terms)).toEqual(resources);
});

/* Words of moby daemon/config/config_test.go and swarmkit parse.go. */
test.each([
  [["foo"], "could not parse GenericResource: incorrect term foo, missing '=' or malformed expression"],
  [["a=b=c"], "could not parse GenericResource: incorrect term a=b=c, missing '=' or malformed expression"],
  [
    ["foo=bar", "foo=1"],
    "could not parse GenericResource: mixed discrete and named resources in expression 'foo=[bar 1]'",
  ],
  [
    ["foo=1", "foo=2"],
    "could not parse GenericResource: mixed discrete and named resources in expression 'foo=[1 2]'",
  ],
  [["foo=-1"], "could not parse GenericResource: cannot ask for negative resource foo"],
])("%j is refused in Docker's words", (terms, words) => {
  expect(() => parseGenericResources(terms)).toThrow(words);
});
