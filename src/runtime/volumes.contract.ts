import { beforeEach, describe, expect, test } from "vitest";
import type { Volumes } from "./container.ts";

/** What every kind of Volumes must do. */
export function volumesContract(name: string, begin: () => Promise<Volumes>): void {
  const wanted = { name: "data", labels: { a: "b" }, options: {}, driver: "local" };
  const gone = { force: false, usedBy: [] };

  describe(`${name} as Volumes`, () => {
    let volumes: Volumes;
    beforeEach(async () => {
      volumes = await begin();
    });

    test("a volume is made once, and found", async () => {
      const made = await volumes.create(wanted);
      expect(made).toMatchObject({ name: "data", driver: "local", labels: { a: "b" }, anonymous: false });
      expect(await volumes.create({ ...wanted, driver: "", labels: { other: "" } })).toEqual(made);
      expect(await volumes.get("data")).toEqual(made);
      expect(await volumes.list()).toEqual([made]);
    });

    test("many makers at once get the same one", async () => {
      const made = await Promise.all(Array.from({ length: 10 }, () => volumes.create(wanted)));
      expect(new Set(made.map((v) => v.createdAt)).size).toBe(1);
      expect(await volumes.list()).toHaveLength(1);
    });

    test("without a name it gets one of its own", async () => {
      const [one, two] = [
        await volumes.create({ ...wanted, name: "" }),
        await volumes.create({ ...wanted, name: "" }),
      ];
      expect(one.name).toMatch(/^[0-9a-f]{64}$/);
      expect(one.anonymous).toBe(true);
      expect(two.name).not.toBe(one.name);
    });

    test("names follow Docker's rule", async () => {
      for (const bad of ["x y", "../up", "a/b", ".hidden", "-x", "é1", "a\0b", "a\n"]) {
        await expect(volumes.create({ ...wanted, name: bad })).rejects.toMatchObject({
          kind: "invalid",
          message: `create ${bad}: "${bad}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
        });
        expect(await volumes.get(bad)).toBeUndefined();
      }
      await expect(volumes.create({ ...wanted, name: "x" })).rejects.toThrow("volume name is too short");
      await expect(volumes.create({ ...wanted, name: "x".repeat(256) })).rejects.toThrow("too long");
      await volumes.create({ ...wanted, name: `x${".".repeat(254)}` });
    });

    test("other drivers, and options that no volume has, are refused", async () => {
      await expect(volumes.create({ ...wanted, driver: "nope" })).rejects.toMatchObject({
        kind: "not-found",
        message: 'create data: error looking up volume plugin nope: plugin "nope" not found',
      });
      await expect(volumes.create({ ...wanted, options: { type: "nfs" } })).rejects.toMatchObject({
        kind: "invalid",
        message: 'create data: missing required option: "device"',
      });
      await expect(volumes.create({ ...wanted, options: { foo: "1" } })).rejects.toMatchObject({
        kind: "invalid",
        message: 'create data: invalid option: "foo"',
      });
      expect(await volumes.list()).toEqual([]);
    });

    test("options are kept; holding, and letting go of what nobody holds, is no error", async () => {
      const options = { type: "tmpfs", device: "tmpfs", o: "size=1m" };
      expect((await volumes.create({ ...wanted, options })).options).toEqual(options);
      expect(await volumes.bytesOf("data")).toBe(0);
      await volumes.release("data", "c1");
      await expect(volumes.hold("nope", "c1")).rejects.toMatchObject({
        kind: "not-found",
        message: "get nope: no such volume",
      });
      for (const act of ["hold", "hold", "release", "release"] as const) await volumes[act]("data", "c1");
      await volumes.restore(new Map());
      await volumes.remove("data", gone);
    });

    test("a volume in use stays, another goes", async () => {
      await volumes.create(wanted);
      for (const force of [false, true]) {
        await expect(volumes.remove("data", { force, usedBy: ["c1", "c2"] })).rejects.toMatchObject({
          kind: "conflict",
          message: "remove data: volume is in use - [c1, c2]",
        });
      }
      await volumes.remove("data", gone);
      expect(await volumes.list()).toEqual([]);
    });

    test("what is not there is removed only by force", async () => {
      await expect(volumes.remove("nope", gone)).rejects.toMatchObject({
        kind: "not-found",
        message: "get nope: no such volume",
      });
      await volumes.remove("nope", { force: true, usedBy: [] });
      await expect(volumes.remove("../up", gone)).rejects.toMatchObject({ kind: "not-found" });
    });
  });
}
