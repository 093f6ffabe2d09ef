import { expect, test } from "vitest";
import { SharedJobs } from "./image-jobs.ts";
import type { ImageProgress } from "./image-progress.ts";

interface Begun {
  readonly stop: AbortSignal;
  readonly tell: (event: ImageProgress) => void;
  readonly end: (result: string) => void;
}

/** Jobs whose work the test holds in its hands. */
function begin() {
  const jobs = new SharedJobs<string>();
  const begun: Begun[] = [];
  const work = (stop: AbortSignal, tell: Begun["tell"]) =>
    new Promise<string>((end) => {
      begun.push({ stop, tell, end });
    });
  return { jobs, begun, work };
}

test("who comes while it runs shares result and progress, the past told first", async () => {
  const { jobs, begun, work } = begin();
  const heard: ImageProgress[][] = [[], []];
  const first = jobs.run("a", work, { onProgress: (event) => heard[0]!.push(event) });
  begun[0]?.tell({ status: "Pulling fs layer", id: "x" });
  begun[0]?.tell({ status: "Downloading", id: "x" });
  const second = jobs.run("a", work, { onProgress: (event) => heard[1]!.push(event) });
  begun[0]?.tell({ status: "Pull complete", id: "x" });
  begun[0]?.end("done");
  expect(await Promise.all([first, second])).toEqual(["done", "done"]);
  expect(begun).toHaveLength(1);
  expect(heard.map((events) => events.map(({ status }) => status))).toEqual([
    ["Pulling fs layer", "Downloading", "Pull complete"],
    ["Downloading", "Pull complete"],
  ]);
});

test("the work stops when the last who waits gives up, and the next caller begins anew", async () => {
  const { jobs, begun, work } = begin();
  const [one, two] = [new AbortController(), new AbortController()];
  const waiting = [one, two].map(({ signal }) => jobs.run("a", work, { signal }));
  one.abort(new Error("one"));
  await expect(waiting[0]).rejects.toThrow("one");
  expect(begun[0]?.stop.aborted).toBe(false);
  two.abort(new Error("two"));
  await expect(waiting[1]).rejects.toThrow("two");
  expect(begun[0]?.stop.aborted).toBe(true);
  const again = jobs.run("a", work);
  expect(begun).toHaveLength(2);
  begun[1]?.end("new");
  expect(await again).toBe("new");
});
