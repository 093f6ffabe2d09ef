import { expect, test } from "vitest";
import { parseFilters } from "../../wire/index.ts";
import { aContainerInfo, anImage } from "../backends.fake.ts";
import { CONTAINER_FILTERS, listContainers } from "./container-filters.ts";

const id = (digit: string) => digit.repeat(64);
const image = anImage();
const images = new Map([[image.id, image]]);

const containers = [
  aContainerInfo({
    id: id("a"),
    name: "web.1.x",
    createdAt: 3000,
    labels: { "com.docker.swarm.task.id": "x" },
  }),
  aContainerInfo({
    id: id("b"),
    name: "db.1.y",
    createdAt: 2000,
    image: "postgres:9.4",
    imageId: `sha256:${id("9")}`,
    health: { status: "healthy", failingStreak: 0, log: [] },
    mounts: [{ type: "volume", name: "db-data", source: "/v", target: "/data", readOnly: false }],
    networks: [{ name: "back", networkId: "net1", address: "10.0.1.3/24", gateway: "", mac: "" }],
  }),
  aContainerInfo({ id: id("c"), name: "old", createdAt: 1000, status: "stopped", exitCode: 3 }),
  aContainerInfo({ id: id("d"), name: "new", createdAt: 500, status: "created" }),
];

function names(filters: object, { all = false, limit = 0 } = {}): string[] {
  const parsed = parseFilters(JSON.stringify(filters), CONTAINER_FILTERS);
  return listContainers(containers, images, { all, limit, filters: parsed }).map((c) => c.name);
}

test("the running ones, newest first; with all, or a limit, the others too", () => {
  expect(names({})).toEqual(["web.1.x", "db.1.y"]);
  expect(names({}, { all: true })).toEqual(["web.1.x", "db.1.y", "old", "new"]);
  expect(names({}, { all: true, limit: 3 })).toEqual(["web.1.x", "db.1.y", "old"]);
});

test.each([
  [{ id: ["bbb"] }, ["db.1.y"]],
  [{ name: ["db"] }, ["db.1.y"]],
  [{ name: ["^/db.1.y$"] }, ["db.1.y"]],
  [{ name: ["web", "db"] }, ["web.1.x", "db.1.y"]],
  [{ status: ["exited"] }, ["old"]],
  [{ status: ["created", "exited"] }, ["old", "new"]],
  [{ status: ["paused"] }, []],
  [{ exited: ["3"] }, ["old"]],
  [{ exited: ["0"] }, []],
  [{ label: ["com.docker.swarm.task.id"] }, ["web.1.x"]],
  [{ "is-task": ["true"] }, ["web.1.x"]],
  [{ "is-task": ["false"] }, ["db.1.y", "old", "new"]],
  [{ network: ["back"] }, ["db.1.y"]],
  [{ network: ["net1"] }, ["db.1.y"]],
  [{ volume: ["db-data"] }, ["db.1.y"]],
  [{ volume: ["/data"] }, ["db.1.y"]],
  [{ ancestor: ["postgres:9.4"] }, ["db.1.y"]],
  [{ ancestor: ["redis:3.2"] }, ["web.1.x", "old", "new"]],
  [{ ancestor: ["1111"] }, ["web.1.x", "old", "new"]],
  [{ ancestor: ["nowhere"] }, []],
  [{ expose: ["6379"] }, ["web.1.x", "old", "new"]],
  [{ publish: ["80"] }, []],
  [{ health: ["none"], name: ["web"] }, ["web.1.x"]],
  [{ health: ["healthy"] }, ["db.1.y"]],
  [{ health: ["none"] }, ["web.1.x", "old", "new"]],
  [{ health: ["starting", "unhealthy"] }, []],
  [{ before: ["db.1.y"] }, ["old", "new"]],
  [{ since: ["cccc"] }, ["web.1.x", "db.1.y"]],
  [{ before: ["web.1.x"], since: ["new"] }, ["db.1.y", "old"]],
])("%j finds %j", (filters, wanted) => {
  expect(names(filters, { all: true })).toEqual(wanted);
});

test.each([
  [{ status: ["asleep"] }, "invalid filter 'status=asleep'"],
  [{ health: ["well"] }, "unrecognized filter value for health"],
  [{ exited: ["x"] }, "invalid filter 'exited=x'"],
  [{ "is-task": ["perhaps"] }, "invalid filter 'is-task=perhaps'"],
  [{ before: ["nowhere"] }, "No such container: nowhere"],
])("%j is refused", (filters, words) => {
  expect(() => names(filters)).toThrow(words);
});
