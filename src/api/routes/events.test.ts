import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../lib/index.ts";
import { type Answered, ServedNode } from "../served-node.fake.ts";

const ID = "ab".repeat(32);
const filters = (value: object) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const refusal = ({ status, text }: Answered) => [status, JSON.parse(text).message];
const lines = ({ text }: Answered) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

let clock: FakeClock;
let node: ServedNode;

beforeEach(async () => {
  clock = new FakeClock();
  node = await ServedNode.start(clock);
});
afterEach(() => node[Symbol.asyncDispose]());

const now = 1_700_000_000_000;
beforeEach(() => {
  const publish = (
    type: "container" | "image" | "service" | "volume",
    action: string,
    actor: string,
    attributes = {},
  ) =>
    node.backends.events.publish({
      type,
      action,
      scope: type === "service" ? "swarm" : "local",
      actor,
      attributes,
      at: now - 1000,
    });
  publish("container", "start", ID, { name: "web.1.x", image: "redis:3.2", app: "vote" });
  publish("container", "health_status: healthy", ID, { name: "web.1.x", image: "redis:3.2" });
  publish("image", "pull", "redis:3.2", { name: "redis:3.2" });
  publish("service", "update", "s1", { name: "web" });
  publish("volume", "create", "db");
});
const past = `since=${now / 1000 - 60}&until=${now / 1000 - 0.5}`;

/** Events up to a moment that has passed: the clock has to turn once for the stream's end. */
async function askPast(query = ""): Promise<Answered> {
  const asked = node.ask("GET", `/events?${past}${query}`);
  while (node.backends.events.listeners === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(0);
  return asked;
}

test("are lines with both of Docker's forms, and end at until", async () => {
  const [first, ...rest] = lines(await askPast());
  expect(first).toEqual({
    status: "start",
    id: ID,
    from: "redis:3.2",
    Type: "container",
    Action: "start",
    Actor: { ID, Attributes: { name: "web.1.x", image: "redis:3.2", app: "vote" } },
    scope: "local",
    time: 1_699_999_999,
    timeNano: 1_699_999_999_000_000_000,
  });
  expect(rest.length).toBe(4);
});

test.each([
  [{ type: ["image", "volume"] }, ["pull", "create"]],
  [{ event: ["start"] }, ["start"]],
  [{ event: ["health_status"] }, ["health_status: healthy"]],
  [{ container: ["web.1"] }, ["start", "health_status: healthy"]],
  [{ container: [ID.slice(0, 6)], event: ["start"] }, ["start"]],
  [{ image: ["redis"] }, ["start", "health_status: healthy", "pull"]],
  [{ image: ["postgres"] }, []],
  [{ label: ["app=vote"] }, ["start"]],
  [{ service: ["web"] }, ["update"]],
  [{ node: ["n1"] }, []],
  [{ scope: ["swarm"] }, ["update"]],
  [{ volume: ["db"] }, ["create"]],
])("%j chooses %j", async (wanted, actions) => {
  const { text } = await askPast(`&${filters(wanted)}`);
  const all = text.split("\n").filter((line) => line !== "");
  expect(all.map((line) => JSON.parse(line).Action)).toEqual(actions);
});

test("go on until the time comes, each as it happens", async () => {
  const asked = node.ask("GET", `/events?until=${now / 1000 + 10}`);
  while (node.backends.events.listeners === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(5_000);
  node.backends.events.publish({
    type: "volume",
    action: "destroy",
    scope: "local",
    actor: "db",
    attributes: {},
    at: clock.now(),
  });
  await clock.advance(5_000);
  expect(lines(await asked)).toMatchObject([{ Action: "destroy" }]);
  expect(node.backends.events.listeners).toBe(0);
});

test("with nonsense are refused", async () => {
  expect(refusal(await node.ask("GET", `/events?${filters({ colour: ["red"] })}`))).toEqual([
    400,
    "invalid filter 'colour'",
  ]);
  expect(refusal(await node.ask("GET", "/events?since=dawn"))).toEqual([
    400,
    'invalid value for "since": dawn is no time',
  ]);
  expect(refusal(await node.ask("GET", "/events?filters={"))[0]).toBe(400);
});
