import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../../lib/index.ts";
import { aService } from "../../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../../store/index.ts";
import { ServiceControl } from "./services.ts";

/** Which run of a job is under way, as its users' words move it. */

let clock: FakeClock;
let services: ServiceControl;
let close: () => Promise<void>;

beforeEach(async () => {
  clock = new FakeClock();
  const store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const running = store.run(stop.signal);
  close = async () => {
    stop.abort();
    await running;
  };
  services = new ServiceControl({ store, clock, random: seededRandom(1) });
});

afterEach(() => close());

const { spec } = aService("job", {
  mode: { kind: "replicated-job", maxConcurrent: 2, totalCompletions: 4 },
});

test("a new job is in its first run; a service that runs for ever has none", async () => {
  expect((await services.create(spec)).job).toEqual({ iteration: 0, lastExecution: clock.now() });
  expect((await services.create(aService("web").spec)).job).toBeUndefined();
});

test("every update of a job is a new run, also one of other numbers, or of nothing new", async () => {
  const made = await services.create(spec);
  await clock.advance(1_000);
  const more = {
    ...spec,
    mode: { ...spec.mode, kind: "replicated-job", totalCompletions: 9 },
  } as typeof spec;
  const grown = await services.update(made.id, made.version, more);
  expect(grown).toMatchObject({ spec: more, job: { iteration: 1, lastExecution: clock.now() } });
  const same = await services.update(made.id, grown.version, more);
  expect(same.job?.iteration).toBe(2);
});

test("so is a rollback; a job has no rolling update that could be under way", async () => {
  const made = await services.create(spec);
  const labelled = await services.update(made.id, made.version, { ...spec, labels: { a: "b" } });
  const back = await services.rollback(made.id, labelled.version);
  expect(back).toMatchObject({ spec: { labels: {} }, job: { iteration: 2 } });
  expect(back.updateStatus).toBeUndefined();
});
