import { expect, test } from "vitest";
import { behindPort } from "./behind-port.ts";
import type { PortFact } from "./facts.ts";

const tcp = (published: number, target: number): PortFact => ({ protocol: "tcp", published, target });

/** At which port each of these tasks is asked for what comes to a port. */
const asked = (port: PortFact, ...words: (readonly PortFact[] | undefined)[]): (number | undefined)[] => {
  const addresses = words.map((_, i) => `10.0.0.${i + 2}`);
  const backends = behindPort(port, addresses, new Map(words.map((own, i) => [addresses[i] ?? "", own])));
  return addresses.map((address) => backends.find((each) => each.address === address)?.port);
};

test.each([
  ["the port is another in the container", tcp(80, 81), [tcp(80, 80)], 80],
  ["the number outside is another", tcp(8080, 80), [tcp(80, 80)], 80],
  ["the number outside was given out, and is chosen now", tcp(8080, 80), [tcp(0, 80)], 80],
  ["two have changed places", tcp(80, 81), [tcp(80, 80), tcp(81, 81)], 80],
  ["the port is new", tcp(9000, 9000), [tcp(80, 80)], undefined],
  [
    "it was published for another protocol",
    tcp(53, 53),
    [{ ...tcp(53, 53), protocol: "udp" as const }],
    undefined,
  ],
  ["nothing was published", tcp(80, 80), [], undefined],
  ["it is not said what was published", tcp(80, 80), undefined, 80],
])("asked as it was made: %s", (_, port, words, at) => {
  expect(asked(port, words)).toEqual([at]);
});

test("each is asked as it was made, in the order of their addresses", () => {
  expect(asked(tcp(80, 81), [tcp(80, 80)], [tcp(80, 81)], [tcp(443, 443)])).toEqual([80, 81, undefined]);
});
