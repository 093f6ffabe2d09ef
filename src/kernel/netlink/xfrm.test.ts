import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIpv4 } from "../../lib/index.ts";
import type { NetlinkMessage } from "./codec.ts";
import { policyBody, readXfrm, reqidOf, stateBody } from "./xfrm.ts";

const message = (body: Buffer): NetlinkMessage => ({ type: 0, flags: 0, sequence: 0, port: 0, body });
const address = fc.nat({ max: 0xffff_ffff }).map(formatIpv4);
const port = fc.integer({ min: 1, max: 65_535 });
const spi = fc.integer({ min: 256, max: 0xffff_ffff });
const key = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const state = fc.record({ source: address, destination: address, spi, port, key });
const direction = fc.constantFrom("in" as const, "out" as const);
const policy = fc.record(
  { direction, port, source: address, destination: address, spi },
  { requiredKeys: ["direction", "port"] },
);

test("a state and a policy as they are asked for are read back as they are, by their mark", () => {
  fc.assert(
    fc.property(state, policy, (one, other) => {
      const [states, policies] = [[message(stateBody(one, 7))], [message(policyBody(other, 7))]];
      expect(readXfrm(states, policies, 7)).toEqual({ states: [one], policies: [other] });
      expect(readXfrm(states, policies, 8)).toEqual({ states: [], policies: [] });
    }),
  );
});

test("swarms on one host have marks of their own", () => {
  const tags = ["sh", "sh1", "sh2", "hs", "a", "b", "zzzzz", "zzzzy"];
  expect(new Set(tags.map(reqidOf)).size).toBe(tags.length);
});

test("a key of another length is refused, and not told", () => {
  const short = { source: "192.0.2.1", destination: "192.0.2.2", spi: 256, port: 1, key: "abcdef" };
  expect(() => stateBody(short, 1)).toThrow("the key is not of 20 bytes");
});
