import fc from "fast-check";

type Json = unknown;

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
export function broken(bodies: readonly Json[]): fc.Arbitrary<Json> {
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
