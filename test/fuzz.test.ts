import { expect, test } from "vitest";
import { Dice } from "./support/fuzz/dice.ts";
import { FuzzedEngine } from "./support/fuzz/fuzzed-engine.ts";
import { type FuzzRequest, Requests } from "./support/fuzz/requests.ts";
import { troubles, unsound } from "./support/fuzz/sound.ts";
import { Words } from "./support/fuzz/words.ts";

/*
 * The whole Engine API, asked anything: every route of the router's table, bodies by the schemas that the routes read them by, broken in
 * all ways. No answer is a 500, none is missing, and what is stored stays sound. SEED says which requests, REQUESTS how many:
 * `npm run fuzz` makes 100,000.
 */

const COUNT = Number(process.env["REQUESTS"] ?? 2_000);
const SEED = Number(process.env["SEED"] ?? Date.now() % 1e9);
/** Between two looks at the store. */
const BATCH = COUNT > 10_000 ? 1_000 : 200;

const said = ({ method, path, headers, body }: FuzzRequest) =>
  `${method} ${path} ${JSON.stringify(headers)}\n${body?.slice(0, 2_000) ?? ""}`;

/** Names and ids of what there is now. */
async function refsIn({ store, backends }: FuzzedEngine): Promise<string[]> {
  const kinds = ["service", "network", "secret", "config", "task", "node"] as const;
  const stored = kinds.flatMap((kind) => [...store.view.all(kind)].slice(-4));
  const ids = stored.flatMap((one) => [
    one.id,
    ...("spec" in one && "name" in one.spec ? [one.spec.name] : []),
  ]);
  const containers = (await backends.containers.list()).slice(-4).flatMap(({ id, name }) => [id, name]);
  const volumes = (await backends.volumes.list()).slice(-2).map(({ name }) => name);
  return ["web", "redis:3.2", "ingress", "bridge", "nothing", ...ids, ...containers, ...volumes].filter(
    (ref) => ref !== "",
  );
}

test(`${COUNT} requests of any kind (SEED=${SEED})`, async () => {
  const engine = await FuzzedEngine.start();
  const dice = new Dice(SEED);
  const words = new Words(dice);
  const requests = new Requests(engine.routes, dice, words);
  const found: string[] = [];
  const statuses = new Map<number, number>();
  const seen = new Set<string>();
  const ask = async (asked: FuzzRequest) => {
    const answer = await engine.ask(asked).catch((error: unknown) => String(error));
    const trouble = typeof answer === "string" ? answer : unsound(asked, answer);
    if (trouble !== undefined) found.push(`${trouble}\n  asked ${said(asked)}`);
    if (typeof answer === "string") return;
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    if (answer.status < 400) seen.add(`${asked.route.method} ${asked.route.path}`);
  };
  const route = {
    method: "GET",
    path: "/",
    handle: engine.routes[0]?.handle ?? (() => Promise.reject()),
  } as const;
  const get = (path: string) => engine.ask({ route, method: "GET", path, headers: {}, body: undefined });
  try {
    words.refs = await refsIn(engine);
    for (const first of requests.first(engine.learntOf)) await ask(first);
    const isStuck = () => found.some((one) => one.includes("it hangs"));
    for (let made = 0; made < COUNT && found.length < 5 && !isStuck(); made++) {
      await ask(requests.next(engine.learntOf));
      if (made % BATCH !== BATCH - 1) continue;
      found.push(...(await troubles(engine, get)));
      words.refs = await refsIn(engine);
    }
  } finally {
    await engine.close();
  }
  const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  if (COUNT > 10_000)
    console.log(`SEED=${SEED} ${counts.join(", ")}; ${seen.size} of ${engine.routes.length} routes said yes`);
  expect(found, `SEED=${SEED}`).toEqual([]);
  expect(statuses.get(200), "some requests are good").toBeGreaterThan(COUNT / 20);
}, 3_600_000);
