import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContainersHarness } from "./containers.contract.ts";

/** Runs on and ends by itself on SIGTERM. */
const POLITE = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';

/** What every implementation of Containers does that people ask for by hand. */
export function containersLifeContract(name: string, make: () => Promise<ContainersHarness>): void {
  describe(`${name} by hand`, () => {
    let it: ContainersHarness;
    const never = new AbortController().signal;
    beforeEach(async () => {
      it = await make();
    });
    afterEach(() => it.end());

    /** One that runs, and has set its trap. */
    const polite = async (): Promise<string> => {
      const { id, ...config } = it.config(POLITE);
      await it.containers.create({ ...config, id });
      await it.containers.start(id);
      const options = { follow: true, stdout: true, stderr: true };
      for await (const _ of it.containers.logs(id, options, never)) break;
      return id;
    };

    test("one whose process waits for its start is there, and starts, and starts again", async () => {
      const { containers } = it;
      const config = it.config("exit 4");
      await containers.create(config, undefined, { deferred: true });
      expect(await containers.get(config.id)).toMatchObject({ status: "created" });
      await containers.setNames(config.id, config);
      for (let run = 0; run < 2; run++) {
        await containers.start(config.id);
        expect(await containers.wait(config.id, never)).toEqual({ exitCode: 4 });
      }
    });

    test("a new name is its own from then on, and the old one anybody's", async () => {
      const { containers } = it;
      const [one, two] = [it.config("exit 0"), it.config("exit 0")];
      await containers.create(one);
      await containers.create(two);
      await expect(containers.rename(one.id, two.name)).rejects.toMatchObject({ kind: "conflict" });
      await containers.rename(one.id, "new-name");
      expect(await containers.get(one.id)).toMatchObject({ name: "new-name" });
      await containers.rename(two.id, one.name);
      await expect(containers.rename("f".repeat(64), "x")).rejects.toMatchObject({ kind: "not-found" });
    });

    test("a signal reaches process 1; one that has ended gets none", async () => {
      const { containers } = it;
      const id = await polite();
      await expect(containers.kill(id, "SIGNONSENSE")).rejects.toMatchObject({ kind: "invalid" });
      await containers.kill(id, "TERM");
      expect(await containers.wait(id, never)).toEqual({ exitCode: 5 });
      await expect(containers.kill(id, "9")).rejects.toMatchObject({
        kind: "conflict",
        message: `container ${id} is not running`,
      });
    });

    test("limits can be changed, while it runs and before", async () => {
      const { containers } = it;
      const id = await polite();
      await containers.update(id, { memoryBytes: 64 << 20, pids: 50 });
      await containers.update(id, { pids: 60 });
      const resources = { memoryBytes: 64 << 20, pids: 60 };
      expect((await containers.get(id))?.config.resources).toMatchObject(resources);
      const late = it.config("exit 4");
      await containers.create(late, undefined, { deferred: true });
      await containers.update(late.id, { memoryBytes: 32 << 20 });
      await containers.start(late.id);
      expect(await containers.wait(late.id, never)).toEqual({ exitCode: 4 });
    });

    test("events say which signal it was, and the name before", async () => {
      const { containers } = it;
      const id = await polite();
      const { name = "" } = (await containers.get(id)) ?? {};
      const told: unknown[] = [];
      const quiet = containers.subscribe(({ action, details }) => told.push([action, details]));
      await containers.rename(id, "renamed");
      await containers.kill(id, "CONT");
      await containers.stop(id, { graceMs: 1, signal: "WINCH" });
      await containers.start(id);
      containers.noteRestart(id);
      containers.noteRestart("f".repeat(64));
      quiet();
      expect(told).toEqual([
        ["rename", { oldName: `/${name}` }],
        ...["18", "28", "9"].map((signal) => ["kill", { signal }]),
        ...["die", "stop", "start", "restart"].map((action) => [action, undefined]),
      ]);
    });

    test("what is paused stands still, goes on, and can be killed all the same", async () => {
      const { containers } = it;
      const id = await polite();
      await expect(containers.unpause(id)).rejects.toThrow("is not paused");
      await containers.pause(id);
      expect(await containers.get(id)).toMatchObject({ status: "running", paused: true });
      await expect(containers.pause(id)).rejects.toThrow("is already paused");
      await containers.unpause(id);
      expect((await containers.get(id))?.paused).toBeUndefined();
      await containers.pause(id);
      await containers.kill(id, "KILL");
      expect(await containers.wait(id, never)).toEqual({ exitCode: 137 });
    });

    test("one that shares another's network starts only while that runs", async () => {
      const { containers } = it;
      const other = await polite();
      const { name = "" } = (await containers.get(other)) ?? {};
      const config = { ...it.config("exit 4"), networkOf: other };
      await containers.create(config, undefined, { deferred: true });
      await containers.start(config.id);
      expect(await containers.wait(config.id, never)).toEqual({ exitCode: 4 });
      await containers.stop(other, { graceMs: 5_000 });
      await expect(containers.start(config.id)).rejects.toMatchObject({
        kind: "conflict",
        message: `cannot join network namespace of a non running container: container ${name} is exited`,
      });
      await containers.start(other);
      await containers.start(config.id);
      expect(await containers.wait(config.id, never)).toEqual({ exitCode: 4 });
      await containers.remove(other);
      await expect(containers.start(config.id)).rejects.toMatchObject({
        kind: "not-found",
        message: `No such container: ${other}`,
      });
    });
  });
}
