import { expect, test } from "vitest";
import { behindPort } from "./behind-port.ts";
import type { PortFact } from "./facts.ts";

const tcp = (published: number, target: number): PortFact => ({ protocol: "tcp", published, target });

/** At which port a task is asked that was made with these. */
const asked = (port: PortFact, ports: readonly PortFact[] | undefined): number | undefined =>
  behindPort(port, { address: "10.0.0.2", ports })[0]?.port;

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
  expect(asked(port, words)).toBe(at);
});

test("it is asked at its address", () => {
  expect(behindPort(tcp(80, 81), { address: "10.0.0.9", ports: [tcp(80, 80)] })).toEqual([
    { address: "10.0.0.9", port: 80 },
  ]);
});
