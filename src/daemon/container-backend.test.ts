import { expect, test } from "vitest";
import type { ContainerState } from "../runtime/index.ts";
import { requireContainer } from "./container-backend.ts";

const aContainer = (id: string, name: string) => ({ id, name }) as ContainerState;
const all = [aContainer("abc1", "vote.1.x"), aContainer("abc2", "abc1"), aContainer("def0", "db")];

test("a full id comes before a name, a name before the beginning of an id", () => {
  expect(requireContainer(all, "abc1").name).toBe("vote.1.x");
  expect(requireContainer(all, "/db").id).toBe("def0");
  expect(requireContainer(all, "de").id).toBe("def0");
});

test("what means none or several is refused in Docker's words", () => {
  expect(() => requireContainer(all, "zzz")).toThrow("No such container: zzz");
  expect(() => requireContainer(all, "")).toThrow("No such container: ");
  expect(() => requireContainer(all, "abc")).toThrow("multiple IDs found with provided prefix: abc");
});
