import { afterEach, describe, expect, test } from "vitest";
import { FakeClock, Fault, silentLog } from "../lib/index.ts";
import { type Change, put, remove, type Service } from "../model/index.ts";
import { aService } from "../model/objects.fake.ts";
import { applyPlan } from "./apply-plan.ts";
import { MemoryBackend } from "./memory-backend.fake.ts";
import { openSeal } from "./seal.ts";
import { Store } from "./store.ts";
import type { ObjectChange } from "./view.ts";

const running: (() => Promise<void>)[] = [];

async function open(backend = new MemoryBackend(), clock = new FakeClock()) {
  const store = await Store.open({ backend, seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const done = store.run(stop.signal);
  const close = async () => {
    stop.abort();
    await done;
  };
  running.push(close);
  return { store, clock, backend, close };
}

afterEach(async () => {
  for (const close of running.splice(0)) await close();
});

const unsaved = (name: string, labels: Readonly<Record<string, string>> = {}): Service =>
  aService(name, { labels }, { version: 0 });
const service = (store: Store, name: string): Service => store.view.get("service", `svc-${name}`)!;
const relabel = (of: Service, labels: Readonly<Record<string, string>>): Change =>
  put("service", { ...of, spec: { ...of.spec, labels } });
const names = (store: Store) => [...store.view.all("service")].map((s) => s.spec.name);

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault, but ${String(error)}`);
}

test("Store.isAbsent() asks the backend, not the view", async () => {
  const backend = new MemoryBackend();
  const { store } = await open(backend);
  const behind = await Store.open({ backend, seal: openSeal, clock: new FakeClock(), log: silentLog });
  expect(await store.isAbsent("service", "svc-web")).toBe(true);
  await store.update([put("service", unsaved("web"))]);
  expect(behind.view.get("service", "svc-web")).toBeUndefined();
  expect(await behind.isAbsent("service", "svc-web")).toBe(false);
  await store.update([remove("service", service(store, "web"))]);
  expect(await behind.isAbsent("service", "svc-web")).toBe(true);
});

describe("Store.update()", () => {
  test("returns when the writer can read his own words, with version and time set", async () => {
    const { store, clock } = await open();
    await clock.advance(1_000);
    const version = await store.update([put("service", unsaved("web"))]);
    expect(service(store, "web")).toMatchObject({ version, updatedAt: clock.now(), spec: { name: "web" } });
    expect(store.version).toBe(version);
  });

  test("waits for a watch that is late", async () => {
    const clock = new FakeClock();
    const { store } = await open(new MemoryBackend({ clock, latencyMs: 5 }), clock);
    let returned = false;
    const update = store.update([put("service", unsaved("web"))]).then(() => {
      returned = true;
    });
    await clock.advance(9);
    expect(returned).toBe(false);
    await clock.advance(1);
    await update;
    expect(names(store)).toEqual(["web"]);
  });

  test("refuses a stale version, a second create, and what is gone", async () => {
    const { store } = await open();
    await store.update([put("service", unsaved("web"))]);
    const read = service(store, "web");
    await store.update([put("service", read)]);
    const refused = [put("service", read), put("service", unsaved("web")), remove("service", read)];
    for (const change of refused) {
      const fault = await faultOf(store.update([change]));
      expect([fault.kind, fault.message]).toEqual(["conflict", "update out of sequence"]);
    }
    const latest = service(store, "web");
    await store.update([remove("service", latest)]);
    expect((await faultOf(store.update([put("service", latest)]))).kind).toBe("conflict");
  });

  test("is all or nothing", async () => {
    const { store } = await open();
    await store.update([put("service", unsaved("web"))]);
    await faultOf(store.update([put("service", unsaved("db")), put("service", unsaved("web"))]));
    expect(names(store)).toEqual(["web"]);
  });

  test("fields that this version does not know survive", async () => {
    const { store } = await open();
    const fromTheFuture = { ...unsaved("web"), shade: { of: "mauve" } };
    await store.update([put("service", fromTheFuture)]);
    await store.update([relabel(service(store, "web"), { a: "b" })]);
    expect(service(store, "web")).toMatchObject({ shade: { of: "mauve" }, spec: { labels: { a: "b" } } });
  });

  test("says so when the store stops before the write has come back", async () => {
    const clock = new FakeClock();
    const { store, close } = await open(new MemoryBackend({ clock, latencyMs: 5 }), clock);
    const update = faultOf(store.update([put("service", unsaved("web"))]));
    await clock.advance(6);
    const closed = close();
    await clock.advance(10);
    await closed;
    expect((await update).message).toBe("the write is stored, but this manager is stopping");
  });
});

describe("Store.mutate()", () => {
  test("tries again until its read and its write agree", async () => {
    const { store } = await open();
    await store.update([put("service", unsaved("web", { n: "0" }))]);
    const increment = () =>
      store.mutate((view) => {
        const web = view.get("service", "svc-web")!;
        return [relabel(web, { n: String(Number(web.spec.labels["n"]) + 1) })];
      });
    await Promise.all(Array.from({ length: 8 }, increment));
    expect(service(store, "web").spec.labels["n"]).toBe("8");
  });

  test("passes a decider's own fault on at once", async () => {
    const { store } = await open();
    let asked = 0;
    const refusal = store.mutate(() => {
      asked++;
      throw new Fault("conflict", "update out of sequence");
    });
    expect((await faultOf(refusal)).kind).toBe("conflict");
    expect(asked).toBe(1);
  });
});

describe("Store.subscribe()", () => {
  test("tells what each commit changed, in order, once the view has it", async () => {
    const { store } = await open();
    const told: [string | undefined, string | undefined, number][] = [];
    const unsubscribe = store.subscribe((changes) => {
      for (const { before, after } of changes) told.push([before?.id, after?.id, names(store).length]);
    });
    await store.update([put("service", unsaved("web"))]);
    await store.update([relabel(service(store, "web"), { a: "b" }), put("service", unsaved("db"))]);
    await store.update([remove("service", service(store, "web"))]);
    unsubscribe();
    await store.update([remove("service", service(store, "db"))]);
    expect(told).toEqual([
      [undefined, "svc-web", 1],
      ["svc-web", "svc-web", 2],
      [undefined, "svc-db", 2],
      ["svc-web", undefined, 1],
    ]);
  });

  test("a listener that throws spoils nothing for the others", async () => {
    const { store } = await open();
    store.subscribe(() => {
      throw new Error("my mistake");
    });
    let told = 0;
    store.subscribe(() => told++);
    await store.update([put("service", unsaved("web"))]);
    expect(told).toBe(1);
  });
});

describe("Store.waitForChange()", () => {
  test("returns at once when the view has moved since, else when it moves, wakes or is told to stop", async () => {
    const { store, clock } = await open();
    await store.waitForChange(store.version - 1);
    const moved = store.waitForChange(store.version);
    await store.update([put("service", unsaved("web"))]);
    await moved;
    const woken = store.waitForChange(store.version, undefined, 1_000);
    await clock.advance(1_000);
    await woken;
    const stop = new AbortController();
    const stopped = store.waitForChange(store.version, stop.signal);
    stop.abort();
    await stopped;
  });
});

describe("a second Store over the same backend", () => {
  test("starts with everything and sees every change", async () => {
    const one = await open();
    await one.store.update([put("service", unsaved("web")), put("service", unsaved("db"))]);
    const two = await open(one.backend);
    expect(new Set(names(two.store))).toEqual(new Set(["db", "web"]));
    const version = await one.store.update([remove("service", service(one.store, "db"))]);
    await two.store.waitForChange(version - 1);
    expect(names(two.store)).toEqual(["web"]);
  });

  test("makes good lost history by listing, and tells the difference only", async () => {
    const backend = new ForgetfulBackend();
    const one = await open(backend);
    const kept = [unsaved("web"), unsaved("db"), unsaved("cache")].map((s) => put("service", s));
    await one.store.update(kept);
    const two = await open(backend);
    const told: ObjectChange[] = [];
    two.store.subscribe((changes) => told.push(...changes));
    backend.deaf = true;
    await one.store.update([
      remove("service", service(one.store, "db")),
      relabel(service(one.store, "web"), { a: "b" }),
      put("service", unsaved("new")),
    ]);
    expect(told).toEqual([]);
    const moved = two.store.waitForChange(two.store.version);
    backend.breakWatches();
    await moved;
    expect(new Set(told.map(({ before, after }) => `${before?.id} to ${after?.id}`))).toEqual(
      new Set(["svc-db to undefined", "svc-web to svc-web", "undefined to svc-new"]),
    );
    expect(told.length).toBe(3);
  });

  test("passes over kinds that only a newer manager knows", async () => {
    const { store, backend } = await open();
    const value = new TextEncoder().encode("not for us");
    await backend.commit([{ op: "put", key: "/shoal/reef/1", value, expected: 0 }]);
    await store.update([put("service", unsaved("web"))]);
    expect(names((await open(backend)).store)).toEqual(["web"]);
  });
});

test("applyPlan writes in order, so many changes to a commit", async () => {
  const { store } = await open();
  const commits: number[] = [];
  store.subscribe((changes) => commits.push(changes.length));
  const changes = Array.from({ length: 7 }, (_, i) => put("service", unsaved(`s${i}`)));
  await applyPlan(store, { changes, because: "a test" }, 3);
  expect(commits).toEqual([3, 3, 1]);
  expect(names(store)).toEqual(["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
});

test("applyPlan puts no more bytes into a commit than etcd takes", async () => {
  const { store } = await open();
  const commits: number[] = [];
  store.subscribe((changes) => commits.push(changes.length));
  const labels = { long: "x".repeat(3 * 2 ** 20) };
  const changes = Array.from({ length: 5 }, (_, i) => {
    const service = unsaved(`s${i}`);
    return put("service", { ...service, spec: { ...service.spec, labels } });
  });
  await applyPlan(store, { changes, because: "a test" });
  expect(commits).toEqual([2, 2, 1]);
});

/** After `breakWatches` every watch ends as one does whose history was compacted away; until then it may be deaf. */
class ForgetfulBackend extends MemoryBackend {
  deaf = false;
  #breaks: ((fault: Fault) => void)[] = [];
  #first = true;

  breakWatches(): void {
    for (const fail of this.#breaks.splice(0)) fail(new Fault("conflict", "history is compacted"));
  }

  override async *watch(...args: Parameters<MemoryBackend["watch"]>): ReturnType<MemoryBackend["watch"]> {
    // The writer's own store, opened first, keeps its ears.
    if (this.#first) {
      this.#first = false;
      yield* super.watch(...args);
      return;
    }
    const broken = new Promise<never>((_, reject) => this.#breaks.push(reject));
    const commits = super.watch(...args);
    while (true) {
      const next = await Promise.race([commits.next(), broken]);
      if (next.done) return;
      if (!this.deaf) yield next.value;
    }
  }
}
