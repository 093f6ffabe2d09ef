import { afterAll, beforeAll, expect, test } from "vitest";
import { VOTING_APP } from "../../scripts/voting-app.ts";
import { eventually, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/** The voting app of the demo, command for command: it counts votes, and its networks keep apart what they shall. */

let swarm: TestSwarm;
const SERVICES = ["vote", "redis", "worker", "db", "result"];

beforeAll(async () => {
  swarm = await TestSwarm.up("voting");
  for (const words of VOTING_APP) {
    // Without the CLI's five seconds of looking on, for each of five services.
    const args = words.replace("service create", "service create --detach --quiet").split(" ");
    await swarm.docker("1", ...args);
  }
  await Promise.all(SERVICES.map((service) => swarm.replicas(service)));
  // Programs listen a moment after they run. Replicas answer by turns, so that six questions meet each of them.
  await eventually(60_000, "every program listens", async () => {
    for (let i = 0; i < 6; i++) await curl(`http://${swarm.ip("1")}/`);
    await counted("1");
    const ends = await Promise.all([reach("worker", "redis", 6379), reach("worker", "db", 5432)]);
    return ends.every((end) => end === "open");
  });
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** What curl gets from a host's published port as the outside client. */
async function curl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await swarm.exec("client", "curl", "-sS", "--max-time", "5", ...args);
  if (code !== 0) throw new Error(`curl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const counted = async (host: string) => JSON.parse(await curl(`http://${swarm.ip(host)}:5001/api/votes`));

async function vote(host: string, choice: "a" | "b", voter: string): Promise<void> {
  const cookie = ["-H", `Cookie: voter_id=${voter}`];
  await curl("-f", "-o", "/dev/null", ...cookie, "-d", `vote=${choice}`, `http://${swarm.ip(host)}/`);
}

async function only(service: string): Promise<TaskContainer> {
  const [task] = await swarm.containers(service);
  if (task === undefined) throw new Error(`no container of ${service} runs`);
  return task;
}

/** How a connection from a service's task to host:port ends: "open", or the error's code. The images have Node. */
async function reach(service: string, host: string, port: number): Promise<string> {
  const script = `const s = require("net").connect({ host: "${host}", port: ${port}, timeout: 2000 });
    const end = (word) => { console.log(word); process.exit(); };
    s.on("connect", () => end("open")).on("timeout", () => end("ETIMEDOUT")).on("error", (e) => end(e.code));`;
  const { stdout, stderr } = await swarm.inTask(await only(service), "node", "-e", script);
  return stdout.trim() || stderr;
}

/** The addresses of a service's task and its virtual ones, on all its networks but ingress. */
async function addressesOf(service: string): Promise<string[]> {
  const task = await only(service);
  const networks = "{{range $name, $n := .NetworkSettings.Networks}}{{$name}}={{$n.IPAddress}} {{end}}";
  const own = await swarm.docker(task.host, "inspect", "--format", networks, task.id);
  const vips = "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}";
  const virtual = await swarm.docker("1", "service", "inspect", "--format", vips, service);
  return [...own.matchAll(/=(\S+)/g), ...virtual.matchAll(/(\S+)\/\d+/g)].map((m) => m[1] ?? "");
}

test("votes through one host are counted through another, each voter's last one", async () => {
  await vote("2", "a", "a0000000000000aa");
  await vote("1", "b", "b0000000000000bb");
  await vote("3", "b", "a0000000000000aa");
  await eventually(30_000, "the votes are counted", async () => {
    expect(await counted("3")).toMatchObject({ a: 0, b: 2 });
    return true;
  });
  expect(await counted("1")).toEqual(await counted("2"));
});

test("vote's log has the outside client's own address, by whichever host it came", async () => {
  for (const host of swarm.lab.hosts) await curl(`http://${swarm.ip(host)}/?by=${host}`);
  const client = swarm.ip("client");
  await eventually(10_000, "all requests are in the log", async () => {
    const lines = (await swarm.docker("1", "service", "logs", "--raw", "vote")).split("\n");
    const asked = lines.filter((line) => line.includes("/?by="));
    expect(asked).toHaveLength(3);
    return asked.every((line) => line.startsWith(`${client} `));
  });
});

test("worker is on both networks and reaches redis and db by name", async () => {
  expect(await reach("worker", "redis", 6379)).toBe("open");
  expect(await reach("worker", "db", 5432)).toBe("open");
  expect(await reach("vote", "redis", 6379)).toBe("open");
  expect(await reach("result", "db", 5432)).toBe("open");
});

test("vote cannot reach db, nor result redis: not by name, not by any address", async () => {
  for (const [from, to, port] of [
    ["vote", "db", 5432],
    ["result", "redis", 6379],
  ] as const) {
    // No such name, says the resolver, or that nobody whom it could ask answers: the lab has no other.
    expect(["ENOTFOUND", "EAI_AGAIN"]).toContain(await reach(from, to, port));
    const addresses = await addressesOf(to);
    expect(addresses.length).toBeGreaterThanOrEqual(2);
    for (const address of addresses) {
      expect(await reach(from, address, port), `${from} to ${to} at ${address}`).not.toBe("open");
    }
  }
});

test("the database survives a new task: its volume is kept on its host", async () => {
  const before = await counted("1");
  const task = await only("db");
  const others = swarm.lab.hosts.filter((host) => host !== task.host);
  const availability = (word: string) =>
    Promise.all(
      others.map((host) =>
        swarm.docker("1", "node", "update", "--availability", word, `${swarm.lab.name}-${host}`),
      ),
    );
  await availability("pause"); // a local volume is on one host only
  await swarm.docker("1", "service", "update", "--detach", "--quiet", "--force", "db");
  await eventually(30_000, "another task runs", async () => (await only("db")).taskId !== task.taskId);
  await availability("active");
  expect((await only("db")).host).toBe(task.host);
  await eventually(30_000, "the counts are there", async () => {
    expect(await counted("2")).toEqual(before);
    return true;
  });
  await vote("1", "a", "c0000000000000cc");
  await eventually(30_000, "and votes are counted again", async () => {
    expect(await counted("2")).toMatchObject({ a: before.a + 1, b: before.b });
    return true;
  });
});
