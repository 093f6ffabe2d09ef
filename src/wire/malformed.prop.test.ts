import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { clusterSpecFromWire, initFromWire, joinFromWire } from "./cluster.ts";
import { networkSpecFromWire } from "./network.ts";
import { nodeSpecFromWire } from "./node.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";

/* Bodies that stock CLIs send, broken in one place: refused in words (400, 404, 501), or read; never anything else (500). */

const READERS: Readonly<Record<string, (body: unknown) => unknown>> = {
  "service-create": serviceSpecFromWire,
  "service-update": serviceSpecFromWire,
  "network-create": networkSpecFromWire,
  "node-update": nodeSpecFromWire,
  "swarm-init": initFromWire,
  "swarm-join": joinFromWire,
  "swarm-update": clusterSpecFromWire,
};

type Json = unknown;
type Requests = Readonly<Record<string, readonly { readonly body: Json }[]>>;

const recordings = ["docker-cli-28.2.2", "service-flags-28.2.2"].map((name): Requests => {
  const text = readFileSync(join(import.meta.dirname, `testdata/${name}.json`), "utf8");
  return JSON.parse(text).requests;
});

function bodiesOf(kind: string): Json[] {
  return recordings.flatMap((requests) => (requests[kind] ?? []).map(({ body }) => body));
}

type Path = readonly string[];

/** The ways to every value inside. */
function pathsIn(value: Json, at: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...at, key]))];
}

/** The value with what is at a path replaced; undefined takes it out. */
function withPart(value: Json, [key, ...rest]: Path, part: Json): Json {
  if (key === undefined || typeof value !== "object" || value === null) return part;
  const old: unknown = Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
  const next = rest.length === 0 ? part : withPart(old, rest, part);
  if (Array.isArray(value)) return value.flatMap((item, i) => (String(i) !== key ? [item] : (next ?? [])));
  return Object.fromEntries(Object.entries({ ...value, [key]: next }).filter(([, v]) => v !== undefined));
}

const odd: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    "",
    " ",
    "\0",
    "{{",
    "{{.}}",
    "{{.Service.Name}}",
    "__proto__",
    -1,
    0.5,
    2 ** 63,
  ),
  fc.constantFrom(1e300, -(2 ** 53), true, [], {}, [null], [[]], { "": null }, { constructor: 1 }),
  fc.jsonValue(),
);

/** The body with one value replaced, or one field put beside another that nobody knows. */
function broken(bodies: readonly Json[]): fc.Arbitrary<Json> {
  return fc
    .constantFrom(...bodies)
    .chain((body) =>
      fc
        .tuple(
          fc.constantFrom(...pathsIn(body)),
          fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
          odd,
        )
        .map(([path, beside, part]) => withPart(body, beside === undefined ? path : [...path, beside], part)),
    );
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
