import { expect, test } from "vitest";
import type { EngineEvent } from "../api/index.ts";
import type { ContainerEvent, ContainerState, Containers } from "../runtime/index.ts";
import { tellContainerEvents } from "./container-backend.ts";
import { requireContainer } from "./container-places.ts";
import type { EventHub } from "./event-hub.ts";

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

test("events are Docker's, with its words for health and for programs in containers", () => {
  let tell: (event: ContainerEvent) => void = () => {};
  const subscribe = (fn: typeof tell) => {
    tell = fn;
    return () => {};
  };
  const told: string[] = [];
  const publish = ({ action, attributes }: Omit<EngineEvent, "at">) =>
    told.push([action, attributes["execID"], attributes["exitCode"]].filter(Boolean).join(" | "));
  tellContainerEvents({ subscribe } as unknown as Containers, { publish } as unknown as EventHub);
  const container = {
    ...aContainer("abc1", "vote.1.x"),
    exitCode: 3,
    health: { status: "healthy", failingStreak: 0, log: [] },
  } as const;
  const exec = { id: "e1", args: ["/bin/sh", "-c", "true"] };
  tell({ action: "health_status", at: 0, container });
  tell({ action: "exec_create", at: 0, container, exec });
  tell({ action: "exec_start", at: 0, container, exec });
  tell({ action: "exec_die", at: 0, container, exec: { ...exec, exitCode: 1 } });
  tell({ action: "die", at: 0, container });
  expect(told).toEqual([
    "health_status: healthy",
    "exec_create: /bin/sh -c true | e1",
    "exec_start: /bin/sh -c true | e1",
    "exec_die | e1 | 1",
    "die | 3",
  ]);
});
