import fc from "fast-check";
import { expect, test } from "vitest";
import { findClash } from "./clash.ts";
import { EMPTY_NAMESPACE, type Namespace, type Route } from "./node-network.ts";

const ROUTES = ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"].flatMap((destination): Route[] =>
  ["a", "b", "c"].map((link) => ({ destination, link })),
);

/** As it is said of one that was never seen before. */
const clashIn = (routes: readonly Route[]): string | undefined => {
  const destinations = routes.map(({ destination }) => destination);
  const twice = destinations.find((each, i) => destinations.indexOf(each) < i);
  return twice === undefined ? undefined : `route main ${twice} is wanted twice`;
};

test("what was looked at before changes no answer", () => {
  const routes = fc.array(fc.constantFrom(...ROUTES), { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(routes, fc.nat(), fc.boolean()), { maxLength: 8 }), (steps) => {
      const seen: Namespace[] = [EMPTY_NAMESPACE];
      for (const [list, which, again] of steps) {
        const other = seen[which % seen.length]!;
        const namespace = { ...EMPTY_NAMESPACE, routes: again ? other.routes : list };
        const clash = findClash(namespace, other);
        expect(clash === undefined).toBe(clashIn(namespace.routes) === undefined);
        seen.push(namespace);
      }
    }),
  );
});

test("says what is wanted twice, also when the other was without fault", () => {
  const [a, b, c] = [ROUTES[0]!, ROUTES[3]!, ROUTES[1]!];
  const before = { ...EMPTY_NAMESPACE, routes: [a, b] };
  expect(findClash(before)).toBeUndefined();
  expect(findClash({ ...before, routes: [a, c, b] }, before)).toBe("route main 10.0.0.1/32 is wanted twice");
  expect(findClash({ ...before, routes: [a, b, c] }, before)).toBe("route main 10.0.0.1/32 is wanted twice");
  expect(findClash(before)).toBeUndefined();
});
