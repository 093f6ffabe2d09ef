import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flagsIn, wordsOf } from "../../src/wire/service-flags.fake.ts";
import { cliKnows, sayable } from "../support/cli.ts";
import type { Seen } from "../support/flag-looks.ts";
import { STORIES, type Stage } from "../support/flag-stories.ts";
import { eventually, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/**
 * What the flags of `docker service create` and `update` do, read from inside containers and from `inspect`.
 * flag-coverage.test.ts holds the list against them.
 */

let swarm: TestSwarm;
const folder = mkdtempSync(join(tmpdir(), "shoal-flags-"));

beforeAll(async () => {
  writeFileSync(join(folder, "env"), "# comment\nFROM_FILE=yes\n");
  const resources = ["gpu=uuid-1", "gpu=uuid-2", "ssd=4"];
  swarm = await TestSwarm.up("flags", 3, { settings: { "node-generic-resources": resources } });
  await Promise.all(
    ["1", "2", "3"].flatMap((host) =>
      ["busybox", "shoal/probe"].map((image) => swarm.docker(host, "pull", "-q", image)),
    ),
  );
});

afterAll(async () => {
  await swarm?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const docker = (...args: string[]) => swarm.docker("1", ...args);
const inspect = async (host: string, ...what: string[]) => JSON.parse(await swarm.docker(host, ...what))[0];

/** The words of a table's line, its places filled in. */
function words(line: string): string[] {
  const fill = (word: string) => word.replace("ENV_FILE", join(folder, "env")).replace("BIND_FOLDER", folder);
  return wordsOf(sayable(line)).map(fill);
}

/** The one container of a service, once it is alone and its task runs. */
async function theOnly(name: string, besides?: TaskContainer): Promise<TaskContainer> {
  const task = await eventually(40_000, `one new task of ${name} runs`, async () => {
    const found = await swarm.containers(name);
    const [row = ""] = await swarm.ps(name, "{{.ID}} {{.CurrentState}}|{{.Error}}");
    if (found.length !== 1 || found[0]?.taskId === besides?.taskId) throw new Error(row);
    return row.startsWith(`${found[0]?.taskId} Running `) && found[0];
  });
  return task;
}

async function look(name: string, task: TaskContainer): Promise<Seen> {
  const service = await inspect("1", "service", "inspect", name);
  return {
    task,
    spec: service.Spec,
    container: await inspect(task.host, "inspect", task.id),
    run: async (...argv) => (await swarm.inTask(task, ...argv)).stdout,
    logs: async () => {
      const { stdout, stderr } = await swarm.try("1", "service", "logs", "--raw", task.taskId);
      return `${stdout}${stderr}`;
    },
  };
}

/** What a stage's rows show beside what they shall, by the flags. */
async function check({ words: line, rows: all }: Stage, name: string, task: TaskContainer): Promise<void> {
  const rows = all.filter(([flags]) => flagsIn(flags).every(cliKnows));
  const seen = await look(name, task);
  const shown = await Promise.all(rows.map(async ([flags, see], i) => [`${i} ${flags}`, await see(seen)]));
  const wanted = rows.map(([flags, , expected], i) => [`${i} ${flags}`, expected]);
  expect(Object.fromEntries(shown), line).toEqual(Object.fromEntries(wanted));
}

describe.concurrent("one task", () => {
  test.each(STORIES)("$name", async ({ name, create, args, updates }) => {
    const run = words(args ?? "sleep 1000");
    const quick = ["-d", "-q", "--name", name, "--update-monitor", "100ms", "--restart-delay", "1s"];
    await docker(
      "service",
      "create",
      ...quick,
      "--stop-grace-period",
      "300ms",
      ...words(create.words),
      "busybox",
      ...run,
    );
    let task = await theOnly(name);
    await check(create, name, task);
    for (const stage of updates) {
      await docker("service", "update", "-d", "-q", ...words(stage.words), name);
      task = await theOnly(name, task);
      await check(stage, name, task);
    }
    await docker("service", "rm", name);
  });
});
