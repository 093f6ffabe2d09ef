import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { bridgeSpecFromWire, isBridgeWanted } from "./bridge.ts";
import { broken } from "./broken-bodies.fake.ts";
import { clusterSpecFromWire, initFromWire, joinFromWire } from "./cluster.ts";
import { networkSpecFromWire, wantedDriver } from "./network.ts";
import { nodeSpecFromWire } from "./node.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";

/* Bodies that stock CLIs send, broken in one place: refused in words (400, 404, 501), or read; never anything else (500). */

const READERS: Readonly<Record<string, (body: unknown) => unknown>> = {
  "service-create": serviceSpecFromWire,
  "service-update": serviceSpecFromWire,
  "network-create": (body) =>
    isBridgeWanted(wantedDriver(body)) ? bridgeSpecFromWire(body) : networkSpecFromWire(body),
  "node-update": nodeSpecFromWire,
  "swarm-init": initFromWire,
  "swarm-join": joinFromWire,
  "swarm-update": clusterSpecFromWire,
};

type Requests = Readonly<Record<string, readonly { readonly body: unknown }[]>>;

const recordings = ["docker-cli-28.2.2", "service-flags-28.2.2"].map((name): Requests => {
  const text = readFileSync(join(import.meta.dirname, `testdata/${name}.json`), "utf8");
  return JSON.parse(text).requests;
});

function bodiesOf(kind: string): unknown[] {
  return recordings.flatMap((requests) => (requests[kind] ?? []).map(({ body }) => body));
}

/** What came out; undefined when it was refused as it should be. */
function read(reader: (body: unknown) => unknown, body: unknown): unknown {
  try {
    return reader(body);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect(["invalid", "not-found", "unsupported"]).toContain((error as Fault).kind);
    expect((error as Fault).message).not.toBe("");
    return undefined;
  }
}

describe.each(Object.entries(READERS))("%s", (kind, reader) => {
  const bodies = bodiesOf(kind);

  test("has bodies to break", () => {
    expect(bodies.length).toBeGreaterThan(0);
  });

  test("broken in one place is refused in words, or read", () => {
    const numRuns = kind.startsWith("service") ? 3000 : 500;
    fc.assert(
      fc.property(broken(bodies), (body) => void read(reader, body)),
      { numRuns },
    );
  });
});

test("a broken service that is read all the same comes back as it is shown", () => {
  let taken = 0;
  fc.assert(
    fc.property(broken(bodiesOf("service-create")), (body) => {
      const spec = read(serviceSpecFromWire, body);
      if (spec === undefined) return;
      taken++;
      const shown = serviceSpecToWire(spec as ReturnType<typeof serviceSpecFromWire>);
      expect(serviceSpecFromWire(JSON.parse(JSON.stringify(shown)))).toEqual(spec);
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(100);
});
