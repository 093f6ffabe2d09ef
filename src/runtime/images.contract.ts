import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Digest } from "../registry/index.ts";
import type { Images } from "./image.ts";
import type { ImageProgress } from "./image-progress.ts";

/** Images under test, beside a registry that the test can fill and take away. */
export interface ImagesUnderTest {
  readonly images: Images;
  /** The repository that the contract uses, in familiar form, and its path in the registry. */
  readonly app: string;
  readonly path: string;
  /** Puts an image under a name, its config and its one file from `content`; returns what the name points to. */
  publish(text: string, content: string): Promise<Digest>;
  goOffline(): Promise<void>;
  end(): Promise<void>;
}

const unused = { usersOf: async () => [] };

/** What every kind of Images must do. */
export function imagesContract(name: string, begin: () => Promise<ImagesUnderTest>): void {
  describe(`${name} as Images`, () => {
    let it: ImagesUnderTest;
    let app: string;
    beforeEach(async () => {
      it = await begin();
      app = it.app;
    });
    afterEach(() => it.end());

    test("a pulled image is found by name, digest, id and the beginning of its id", async () => {
      const digest = await it.publish(`${app}:1`, "one");
      expect(await it.images.pull(`${app}:1`)).toEqual({ digest, isNew: true });
      const image = await it.images.inspect(`${app}:1`);
      expect(image).toMatchObject({
        repoTags: [`${app}:1`],
        repoDigests: [`${app}@${digest}`],
        target: digest,
      });
      for (const text of [
        `${app}@${digest}`,
        `${app}:other@${digest}`,
        image.id,
        image.id.slice(7),
        image.id.slice(7, 19),
      ]) {
        expect((await it.images.inspect(text)).id).toBe(image.id);
        expect((await it.images.resolve(text)).id).toBe(image.id);
      }
      expect((await it.images.list()).map(({ id }) => id)).toEqual([image.id]);
    });

    test("the end of a pull is told in Docker's words", async () => {
      const digest = await it.publish(`${app}:1`, "one");
      const told: ImageProgress[] = [];
      const onProgress = (event: ImageProgress) => void told.push(event);
      await it.images.pull(`${app}:1`, { onProgress });
      expect(told[0]).toEqual({ status: `Pulling from ${it.path}`, id: "1" });
      expect(told.slice(-2).map(({ status }) => status)).toEqual([
        `Digest: ${digest}`,
        `Status: Downloaded newer image for ${app}:1`,
      ]);
      expect(await it.images.pull(`${app}:1`, { onProgress })).toEqual({ digest, isNew: false });
      expect(told.at(-1)?.status).toBe(`Status: Image is up to date for ${app}:1`);
    });

    test("an image is tasks' until somebody pulls or names it by hand, and then it stays theirs", async () => {
      const isForTasks = async (text: string) => (await it.images.inspect(text)).isForTasks;
      for (const tag of ["1", "2", "3"]) await it.publish(`${app}:${tag}`, `content ${tag}`);
      for (const tag of ["1", "2"]) await it.images.ensure(`${app}:${tag}`);
      await it.images.pull(`${app}:3`);
      expect([await isForTasks(`${app}:1`), await isForTasks(`${app}:3`)]).toEqual([true, false]);
      await it.images.pull(`${app}:1`);
      await it.images.tag(`${app}:2`, "kept:1");
      for (const tag of ["1", "2", "3"]) {
        await it.images.ensure(`${app}:${tag}`);
        expect(await isForTasks(`${app}:${tag}`)).toBe(false);
      }
      await it.images.remove("kept:1", unused);
      expect(await isForTasks(`${app}:2`)).toBe(true);
    });

    test("a task's image whose tag moved away stays a task's", async () => {
      await it.publish(`${app}:1`, "one");
      const { id } = await it.images.ensure(`${app}:1`);
      await it.publish(`${app}:1`, "two");
      expect((await it.images.ensure(`${app}:1`)).id).not.toBe(id);
      expect(await it.images.inspect(id)).toMatchObject({ repoTags: [], isForTasks: true });
    });

    test("an image whose tag moved away stays under its digest", async () => {
      const first = await it.publish(`${app}:1`, "one");
      await it.images.pull(`${app}:1`);
      const old = await it.images.inspect(`${app}:1`);
      await it.publish(`${app}:1`, "two");
      expect((await it.images.pull(`${app}:1`)).isNew).toBe(true);
      expect((await it.images.inspect(`${app}:1`)).id).not.toBe(old.id);
      expect(await it.images.inspect(old.id)).toMatchObject({
        repoTags: [],
        repoDigests: [`${app}@${first}`],
      });
    });

    test("what is here by digest needs no registry; a tag falls back to what is here", async () => {
      const digest = await it.publish(`${app}:1`, "one");
      await it.images.ensure(`${app}:1`);
      await it.goOffline();
      const { id } = await it.images.inspect(`${app}:1`);
      for (const text of [`${app}:1@${digest}`, `${app}@${digest}`, `${app}:1`, id]) {
        expect(await it.images.ensure(text)).toEqual({ ref: text, id });
      }
      await expect(it.images.ensure(`${app}gone:1`)).rejects.toMatchObject({ kind: "unavailable" });
    });

    test("what is missing is said in Docker's words", async () => {
      const { images } = it;
      await expect(images.inspect("nope")).rejects.toMatchObject({
        kind: "not-found",
        message: "No such image: nope:latest",
      });
      await expect(images.remove("nope:1", unused)).rejects.toThrow("No such image: nope:1");
      const id = `sha256:${"0".repeat(64)}`;
      await expect(images.ensure(id)).rejects.toThrow(`No such image: ${id}`);
      await it.publish(`${app}:1`, "one");
      await expect(images.pull(`${app}:2`)).rejects.toMatchObject({
        kind: "not-found",
        message: `manifest for ${app}:2 not found: manifest unknown: manifest unknown`,
      });
      await expect(images.pull(`${app}/App`)).rejects.toThrow(
        /repository name \(.*\/App\) must be lowercase/,
      );
    });

    test("a tag is another name; the image goes with the last one", async () => {
      const digest = await it.publish(`${app}:1`, "one");
      await it.images.pull(`${app}:1`);
      await it.images.tag(`${app}:1`, "mine/app");
      const { id, repoTags } = await it.images.inspect("mine/app");
      expect(repoTags).toEqual(expect.arrayContaining([`${app}:1`, "mine/app:latest"]));
      expect(await it.images.remove("mine/app", unused)).toEqual([{ untagged: "mine/app:latest" }]);
      const removed = await it.images.remove(`${app}:1`, unused);
      expect(removed.slice(0, 3)).toEqual([
        { untagged: `${app}:1` },
        { untagged: `${app}@${digest}` },
        { deleted: id },
      ]);
      expect(await it.images.list()).toEqual([]);
      await expect(it.images.tag(`${app}:1`, "x")).rejects.toThrow(`No such image: ${app}:1`);
    });

    test("an image in use is not removed, and keeps its content when forced to lose its name", async () => {
      await it.publish(`${app}:1`, "one");
      await it.images.pull(`${app}:1`);
      const { id } = await it.images.inspect(`${app}:1`);
      const usersOf = async () => [{ containerId: "c".repeat(64), isRunning: true }];
      const short = id.slice(7, 19);
      await expect(it.images.remove(`${app}:1`, { usersOf })).rejects.toMatchObject({
        kind: "conflict",
        message: `conflict: unable to remove repository reference "${app}:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
      });
      await expect(it.images.remove(id, { usersOf, force: true })).rejects.toMatchObject({
        message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
      });
      expect(await it.images.remove(`${app}:1`, { usersOf, force: true })).toEqual([
        { untagged: `${app}:1` },
      ]);
      expect(await it.images.inspect(id)).toMatchObject({ repoTags: [], repoDigests: [] });
    });

    test("an image of several repositories goes by its id only when forced", async () => {
      await it.publish(`${app}:1`, "one");
      await it.images.pull(`${app}:1`);
      await it.images.tag(`${app}:1`, "other:1");
      const { id } = await it.images.inspect(`${app}:1`);
      await expect(it.images.remove(id, unused)).rejects.toThrow(
        "image is referenced in multiple repositories",
      );
      await it.images.remove(id.slice(7, 15), { ...unused, force: true });
      expect(await it.images.list()).toEqual([]);
    });

    test("what is pushed can be pulled; without a tag, all tags go", async () => {
      const { images } = it;
      const digest = await it.publish(`${app}:1`, "one");
      await images.pull(`${app}:1`);
      await images.tag(`${app}:1`, `${app}:2`);
      await images.tag(`${app}:1`, `${app}:3`);
      const told: ImageProgress[] = [];
      const [pushed] = await images.push(`${app}:2`, { onProgress: (event) => void told.push(event) });
      expect(pushed).toMatchObject({ tag: "2", digest });
      expect(told[0]?.status).toMatch(/^The push refers to repository \[.*app\]$/);
      expect(told.at(-1)?.status).toBe(`2: digest: ${digest} size: ${pushed?.size}`);
      expect((await images.push(app)).map(({ tag }) => tag)).toEqual(["1", "2", "3"]);
      await images.remove((await images.inspect(`${app}:1`)).id, { ...unused, force: true });
      expect(await images.pull(`${app}:3`)).toEqual({ digest, isNew: true });
    });

    test("nothing is pushed that is not here, and nothing to a registry that is away", async () => {
      const nothing = { kind: "not-found", message: `An image does not exist locally with the tag: ${app}` };
      await expect(it.images.push(`${app}:9`)).rejects.toMatchObject(nothing);
      await expect(it.images.push(app)).rejects.toMatchObject(nothing);
      await it.publish(`${app}:1`, "one");
      await it.images.pull(`${app}:1`);
      await it.goOffline();
      await expect(it.images.push(`${app}:1`)).rejects.toMatchObject({ kind: "unavailable" });
    });
  });
}
