import { expect, test } from "vitest";
import type { FileReference } from "../model/index.ts";
import { AssignmentBook } from "./assignment-book.ts";
import { assigned, RunnerStage } from "./runner-stage.fake.ts";

const reference = (id: string, name: string, file: Partial<FileReference["file"]> = {}): FileReference => ({
  ...{ id, name },
  file: { name, uid: 0, gid: 0, mode: 0o444, ...file },
});
const base64 = (text: string) => Buffer.from(text).toString("base64");
const row = (key: string, value: object) => ({ key, json: JSON.stringify(value) });
const whole = (...upserts: { key: string; json: string }[]) => ({
  ...{ complete: true, appliesTo: 0, resultsIn: 1 },
  ...{ upserts, removals: [] },
});
const node = { hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } };
const hush = row("secret/s1", { id: "s1", data: base64("hush") });
const motd = row("config/c1", { id: "c1", data: base64("hello") });
const wanting = assigned({
  registryAuth: "cr3dentials",
  secrets: [reference("s1", "token", { uid: 7, mode: 0o400 })],
  configs: [reference("c1", "motd", { name: "/etc/motd" })],
});

function bookOf(...rows: { key: string; json: string }[]): AssignmentBook {
  const book = new AssignmentBook();
  book.apply(whole(row(`task/${wanting.id}`, wanting), ...rows));
  return book;
}

test("a task's secrets and configs are files of its container, their contents apart from its config", async () => {
  const [stage, book] = [new RunnerStage(), bookOf(hush, motd)];
  stage.contentsOf = (task) => book.contentsOf(task, node);
  stage.run(wanting);
  await stage.clock.advance(0);
  const { id, config } = await stage.theOnly();
  expect(config.files).toEqual([
    { target: "/run/secrets/token", uid: 7, gid: 0, mode: 0o400 },
    { target: "/etc/motd", uid: 0, gid: 0, mode: 0o444 },
  ]);
  expect(stage.containers.read(id, "/run/secrets/token")).toBe("hush");
  expect(stage.containers.read(id, "/etc/motd")).toBe("hello");
  expect(JSON.stringify([config, stage.reported])).not.toMatch(/hush|aHVzaA|cr3dentials/);
});

test("a task whose secret managers do not know is rejected, with its name", async () => {
  const [stage, book] = [new RunnerStage(), bookOf(motd)];
  stage.contentsOf = (task) => book.contentsOf(task, node);
  stage.run(wanting);
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "rejected", error: "secret token not found" });
});

test("neither secrets nor configs nor credentials are in what is saved", () => {
  const saved = bookOf(hush, motd).save();
  for (const word of ["hush", base64("hush"), "hello", base64("hello"), "cr3dentials"]) {
    expect(saved).not.toContain(word);
  }
  expect(AssignmentBook.load(saved).tasks()).toMatchObject([{ id: wanting.id, lacksCredentials: true }]);
});

test("a task from the disk waits for a manager to say again what it needs, and then runs", async () => {
  const [stage, book] = [new RunnerStage(), AssignmentBook.load(bookOf(hush, motd).save())];
  stage.contentsOf = (task) => book.contentsOf(task, node);
  const [saved = wanting] = book.tasks();
  const runner = stage.run(saved);
  await stage.clock.advance(60_000);
  expect(stage.last()).toMatchObject({
    state: "preparing",
    error: "waiting for a manager to say its secrets again: they are kept in no file",
  });
  book.apply(whole(row(`task/${wanting.id}`, wanting), hush, motd));
  runner.update(wanting);
  await stage.clock.advance(0);
  expect(stage.last()?.state).toBe("running");
  const { id } = await stage.theOnly();
  expect(stage.containers.read(id, "/run/secrets/token")).toBe("hush");
});

test("a saved task that needs nothing of the kind runs without a manager", async () => {
  const plain = assigned();
  const before = new AssignmentBook();
  before.apply(whole(row(`task/${plain.id}`, plain)));
  const [stage, book] = [new RunnerStage(), AssignmentBook.load(before.save())];
  stage.contentsOf = (task) => book.contentsOf(task, node);
  for (const task of book.tasks()) stage.run(task);
  await stage.clock.advance(0);
  expect(stage.last()?.state).toBe("running");
});

/** A task whose configs are templates, with these words. */
function templated(text: string, more: Partial<Parameters<typeof assigned>[0]> = {}) {
  const stage = new RunnerStage();
  const task = assigned({
    env: ["ZONE=north", "AT={{.Node.Hostname}}"],
    secrets: [reference("s1", "token", { name: "pw" })],
    configs: [reference("c1", "motd", { name: "/etc/motd" }), reference("c2", "site")],
    ...more,
  });
  const book = new AssignmentBook();
  const site = row("config/c2", { id: "c2", data: base64(text), template: true });
  const raw = row("config/c1", { id: "c1", data: base64("{{.Task.Slot}}") });
  book.apply(whole(row(`task/${task.id}`, task), hush, raw, site));
  stage.contentsOf = (of) => book.contentsOf(of, node);
  stage.run(task);
  return stage;
}

test.each([
  ["{{.Service.Name}}.{{.Task.Slot}}@{{.Node.Hostname}}", "web.1@host-1"],
  ['{{env "ZONE"}}/{{env "AT"}}/{{env "NOPE"}}', "north/host-1/"],
  // By their targets; what they hold is not expanded again.
  [
    '{{secret "pw"}} {{config "/etc/motd"}} {{config "site"}}',
    'hush {{.Task.Slot}} {{secret "pw"}} {{config "/etc/motd"}} {{config "site"}}',
  ],
])("a config made of the template %s holds %s", async (text, holds) => {
  const stage = templated(text);
  await stage.clock.advance(0);
  const { id, config } = await stage.theOnly();
  expect(stage.containers.read(id, "/site")).toBe(holds);
  expect(stage.containers.read(id, "/etc/motd")).toBe("{{.Task.Slot}}");
  expect(JSON.stringify([config, stage.reported])).not.toContain("hush");
});

test.each([
  [
    '{{secret "token"}}',
    /^expanding config site failed: cannot expand template .*: secret target token not found$/,
  ],
  ["{{.Service.Labels.zone}}", /^expanding config site failed: .*: the service has no label "zone"$/],
  ["{{nope}}", /^expanding config site failed: .*: there is no function "nope"/],
])("a task whose config %s cannot be expanded is rejected, with why", async (text, why) => {
  const stage = templated(text);
  await stage.clock.advance(0);
  expect(stage.last()).toMatchObject({ state: "rejected", error: expect.stringMatching(why) });
  expect(await stage.containers.list()).toEqual([]);
});
