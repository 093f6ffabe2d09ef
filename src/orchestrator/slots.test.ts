import { expect, test } from "vitest";
import { aService, aTask } from "../model/objects.fake.ts";
import { slotsOf } from "./slots.ts";

const web = aService("web");

test("a slot's tasks are newest first; of those born at one instant the one that waits for the other", () => {
  const first = aTask(web, 1, { id: "id-9", createdAt: 1_000 });
  const second = aTask(web, 1, { id: "id-10", createdAt: 1_000, after: "id-9" });
  const third = aTask(web, 1, { id: "id-1", createdAt: 2_000 });
  for (const tasks of [
    [first, second, third],
    [third, second, first],
  ]) {
    expect(slotsOf(tasks)[0]?.tasks.map(({ id }) => id)).toEqual(["id-1", "id-10", "id-9"]);
  }
});

test("of those that waited for one and the same, the one that remembers more ends is newer", () => {
  const first = aTask(web, 1, { id: "id-9", createdAt: 1_000, after: "id-1" });
  const second = aTask(web, 1, { id: "id-10", createdAt: 1_000, after: "id-1", crashes: 1 });
  for (const tasks of [
    [first, second],
    [second, first],
  ]) {
    expect(slotsOf(tasks)[0]?.tasks.map(({ id }) => id)).toEqual(["id-10", "id-9"]);
  }
});
