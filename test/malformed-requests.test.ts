import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { broken } from "../src/wire/broken-bodies.fake.ts";
import { ApiCluster, type ApiDaemon } from "./support/api-cluster.ts";
import { bodiesOf } from "./support/wire-testdata.ts";

/* Requests of stock CLIs, broken in one place, at the real server and control: none is the server's fault. */

let cluster: ApiCluster;
let manager: ApiDaemon;

beforeAll(async () => {
  cluster = new ApiCluster({ decides: false });
  manager = await cluster.daemon();
  await manager.ask("POST", "/swarm/init", {});
  await manager.ask("POST", "/services/create", {
    Name: "web",
    TaskTemplate: { ContainerSpec: { Image: "nginx" } },
  });
});
afterAll(() => cluster.close());

const odd = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom("{", "[]", "null", '{"id":1}', "-1", "1e9", ""),
);
const query = fc
  .dictionary(fc.constantFrom("version", "filters", "status", "rollback", "registryAuthFrom"), odd)
  .map((pairs) => new URLSearchParams(pairs).toString());

const ROUTES = [
  { method: "POST", path: "/services/create", kind: "service-create" },
  { method: "POST", path: "/services/web/update", kind: "service-update" },
  { method: "POST", path: "/nodes/host1/update", kind: "node-update" },
  { method: "POST", path: "/networks/create", kind: "network-create" },
  { method: "GET", path: "/services", kind: "" },
  { method: "GET", path: "/tasks", kind: "" },
  { method: "GET", path: "/nodes", kind: "" },
] as const;

/** Of the object that a path updates; 0 when it updates none. */
async function versionAt(path: string): Promise<number> {
  if (!path.endsWith("/update")) return 0;
  return (await manager.ask("GET", path.replace("/update", ""))).json.Version.Index;
}

test.each(ROUTES)("$method $path with odd words", async ({ method, path, kind }) => {
  const body = kind === "" ? fc.constant(undefined) : broken(bodiesOf(kind));
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(query, body, fc.boolean(), async (odd, sent, isPlain) => {
      const words = isPlain ? `version=${await versionAt(path)}` : odd;
      const { status, json } = await manager.ask(method, `${path}?${words}`, sent);
      statuses.add(status);
      // "update out of sequence" is Docker's one 500 of this kind.
      if (json?.message === "update out of sequence") return;
      expect([200, 201, 400, 403, 404, 409, 501], JSON.stringify(json)).toContain(status);
    }),
    { numRuns: 100 },
  );
  expect(statuses.size, [...statuses].join()).toBeGreaterThan(1);
});
