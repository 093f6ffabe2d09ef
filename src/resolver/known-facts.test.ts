import fc from "fast-check";
import { expect, test } from "vitest";
import type { EndpointFact, GuestFact, ServiceFact } from "../dataplane/index.ts";
import { BY_HAND } from "../dataplane/scenarios.fake.ts";
import type { NameFacts } from "../dns/index.ts";
import { KnownFacts } from "./known-facts.ts";

const self = {
  nodeId: "n",
  dataPathAddress: "192.0.2.1",
  gatewaySubnet: "172.18.0.0/16",
  dataPathPort: 4789,
};
const service = (id: string, name: string): ServiceFact => ({ id, name, vips: {}, aliases: {}, ports: [] });
const endpoint = (taskId: string, name: string): EndpointFact => ({
  ...{ taskId, name },
  ...{ serviceId: "s", nodeId: "n", addresses: {} },
});
const guest = (id: string, name: string): GuestFact => ({
  ...{ id, nodeId: "n", addresses: {}, names: { front: [name] } },
});
const factsOf = (
  services: readonly ServiceFact[],
  endpoints: readonly EndpointFact[] = [],
  guests: readonly GuestFact[] = [],
): NameFacts => ({
  ...{ self, networks: [], services, endpoints, guests, tasks: [] },
});

test("what is told is what is heard, whatever changes, over the copies that threads get", () => {
  const id = fc.constantFrom("a", "b", "c", "d", "e");
  const rows = fc.uniqueArray(fc.tuple(id, fc.string({ maxLength: 2 })), { selector: ([key]) => key });
  fc.assert(
    fc.property(fc.array(fc.tuple(rows, rows, rows), { maxLength: 8 }), (history) => {
      const [teller, hearer] = [new KnownFacts(), new KnownFacts()];
      for (const [services, endpoints, guests] of history) {
        const facts = factsOf(
          services.map(([key, name]) => service(key, name)),
          endpoints.map(([key, name]) => endpoint(key, name)),
          guests.map(([key, name]) => guest(key, name)),
        );
        const change = teller.changeTo(facts);
        if (change === undefined) continue;
        const heard = hearer.apply(structuredClone(change));
        const sorted = <T>(all: readonly T[]) => all.map((row) => JSON.stringify(row)).sort();
        expect(sorted(heard.services)).toEqual(sorted(facts.services));
        expect(sorted(heard.endpoints)).toEqual(sorted(facts.endpoints));
        expect(sorted(heard.guests ?? [])).toEqual(sorted(facts.guests ?? []));
      }
    }),
  );
});

test("of many rows only what has changed is told, and of no change nothing", () => {
  const known = new KnownFacts();
  const services = Array.from({ length: 100 }, (_, i) => service(`s${i}`, `web${i}`));
  expect(known.changeTo(factsOf(services))?.services.set.length).toBe(100);
  expect(known.changeTo({ ...factsOf([...services]), self: { ...self } })).toBeUndefined();
  const [first, , ...rest] = services as [ServiceFact, ServiceFact, ...ServiceFact[]];
  const renamed = { ...first, name: "db" };
  const change = known.changeTo(factsOf([renamed, ...rest]));
  expect(change?.services).toEqual({ set: [renamed], gone: ["s1"] });
});

test("a thread that is told changes knows the bridges, and those that are gone no more", () => {
  const [here, there] = [new KnownFacts(), new KnownFacts()];
  expect(there.apply(here.changeTo(BY_HAND)!).bridges).toEqual(BY_HAND.bridges);
  expect(here.changeTo({ ...BY_HAND })).toBeUndefined();
  const [first] = BY_HAND.bridges!;
  const change = here.changeTo({ ...BY_HAND, bridges: [first!] });
  expect(change?.bridges).toEqual({ set: [], gone: ["app", "vault"] });
  expect(there.apply(change!).bridges).toEqual([first]);
});
