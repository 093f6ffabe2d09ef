import fc from "fast-check";
import { expect, test } from "vitest";
import { stackOf } from "./files.fake.ts";
import type { Contents } from "./plan-files.ts";
import { planStack } from "./plan-stack.ts";
import type { Json, Stack } from "./stack.ts";
import type { StackObjects, StackPlan } from "./stack-plan.ts";

/*
 * Planning: what was applied needs no plan, whatever came before. The cluster is played: it keeps what it is told under ids.
 */

const EMPTY: StackObjects = { networks: [], secrets: [], configs: [], services: [], tasks: [] };
let ids = 0;

const spec = (object: Json): Json => object["Spec"] as Json;

/** The cluster after a plan, as the API would leave it: references by id, the words before kept for a rollback. */
function applied(objects: StackObjects, plan: StackPlan): StackObjects {
  let { networks, secrets, configs, services } = objects;
  const kept = (all: readonly Json[]) =>
    all.filter((one) => !plan.steps.some((step) => step.verb === "remove" && step.id === one["ID"]));
  [secrets, configs, services] = [kept(secrets), kept(configs), kept(services)];
  for (const { verb, kind, id, body = {} } of plan.steps) {
    if (verb === "remove") continue;
    const ID = id ?? `id${++ids}`;
    if (kind === "network") networks = [...networks, { Id: ID, Name: body["Name"], Scope: "swarm" }];
    if (kind === "secret")
      secrets = [...secrets, { ID, Spec: { Name: body["Name"], Labels: body["Labels"] } }];
    if (kind === "config") configs = [...configs, { ID, Spec: body }];
    if (kind !== "service") continue;
    const before = services.find((one) => one["ID"] === ID);
    const Spec = withNetworkIds(body, networks);
    const next: Json = { ID, Version: { Index: ++ids }, Spec, ...(before && { PreviousSpec: spec(before) }) };
    services =
      before === undefined ? [...services, next] : services.map((one) => (one === before ? next : one));
  }
  return { networks, secrets, configs, services, tasks: [] };
}

function withNetworkIds(body: Json, networks: readonly Json[]): Json {
  const template = body["TaskTemplate"] as Json;
  const places = template["Networks"] as readonly Json[];
  const Networks = places.map((place) => ({
    ...place,
    Target: networks.find((one) => one["Name"] === place["Target"])?.["Id"] ?? place["Target"],
  }));
  return { ...body, TaskTemplate: { ...template, Networks } };
}

interface Wish {
  readonly stack: Stack;
  readonly contents: Contents;
}

const service = fc.record({
  image: fc.constantFrom("nginx:1", "nginx:2", "redis"),
  replicas: fc.nat(3),
  env: fc.constantFrom("", "A: 1", "A: 2, B: x"),
  secret: fc.boolean(),
  config: fc.boolean(),
  network: fc.constantFrom("default", "front"),
  port: fc.boolean(),
});

/** A stack of up to three services, and the contents of its files. */
const wish: fc.Arbitrary<Wish> = fc
  .tuple(
    fc.array(service, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("v1", "v2", "v3"),
    fc.constantFrom("v1", "v2"),
  )
  .map(([services, secret, config]) => {
    const lines = services.map(({ image, replicas, env, network, port, ...uses }, i) => {
      const files = `secrets: [${uses.secret ? "key" : ""}], configs: [${uses.config ? "site" : ""}]`;
      const ports = port ? `ports: ["${8000 + i}:80"],` : "";
      return `  s${i}: { image: "${image}", environment: { ${env} }, networks: [${network}], ${ports} ${files}, deploy: { replicas: ${replicas} } }`;
    });
    const text = `services:\n${lines.join("\n")}\nnetworks: { front: , default: }\nsecrets: { key: { file: ./key } }\nconfigs: { site: { file: ./site } }`;
    const contents: Contents = new Map([
      ["secret key", { base64: "", version: secret }],
      ["config site", { base64: config, version: config }],
    ]);
    return { stack: stackOf({ "a.yml": text }), contents };
  });

test("after a plan was applied, planning again says nothing, whatever was there before", () => {
  fc.assert(
    fc.property(fc.array(wish, { minLength: 1, maxLength: 4 }), fc.boolean(), (wishes, prune) => {
      let objects = EMPTY;
      for (const { stack, contents } of wishes) {
        objects = applied(objects, planStack(stack, objects, contents, { prune }));
        const again = planStack(stack, objects, contents, { prune });
        // Versions that only a rollback needed go one deployment later.
        expect(again.steps.filter(({ because }) => because !== "no task uses this version any more")).toEqual(
          [],
        );
        const settled = applied(objects, again);
        expect(planStack(stack, settled, contents, { prune }).steps).toEqual([]);
        expect(again.unchanged).toHaveLength(stack.services.length);
        objects = settled;
      }
    }),
    { numRuns: 50 },
  );
});

test("what a service or its rollback refers to is never removed", () => {
  fc.assert(
    fc.property(fc.array(wish, { minLength: 2, maxLength: 5 }), (wishes) => {
      let objects = EMPTY;
      for (const { stack, contents } of wishes) {
        objects = applied(objects, planStack(stack, objects, contents));
        const there = new Set([...objects.secrets, ...objects.configs].map((one) => spec(one)["Name"]));
        const text = JSON.stringify(objects.services);
        for (const [, name] of text.matchAll(/"(?:Secret|Config)Name":"([^"]+)"/g))
          expect(there).toContain(name);
      }
    }),
    { numRuns: 40 },
  );
});
