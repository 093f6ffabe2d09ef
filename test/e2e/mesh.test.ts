import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, type TaskContainer, TestSwarm, tally } from "../support/swarm.ts";

/** The routing mesh, VIPs, names and isolation, seen from outside clients and from inside containers. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("mesh");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "back");
  const [front, back] = [
    ["--network", "front"],
    ["--network", "back"],
  ];
  await Promise.all([
    swarm.service("web", "-p", "8080:80", "--replicas", "3", ...front, "shoal/probe"),
    swarm.service("lone", "-p", "8081:80", ...front, "shoal/probe"),
    swarm.service("both", ...front, ...back, "shoal/probe"),
    swarm.service("deep", ...back, "shoal/probe"),
  ]);
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

interface Answer {
  hostname: string;
  client: string;
}

async function ask(host: string, url: string): Promise<Answer> {
  const { stdout, code, stderr } = await swarm.exec(host, "curl", "-sS", "--max-time", "5", url);
  if (code !== 0) throw new Error(`curl ${url} from ${host}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

const plain = (address: string) => address.replace(/^::ffff:/, "");

function expectEven(answers: readonly string[]): void {
  const counts = tally(answers);
  expect(counts.size).toBe(3);
  for (const [name, count] of counts) {
    expect(count / answers.length, `${name} got ${count} of ${answers.length}`).toBeGreaterThan(0.2);
    expect(count / answers.length, `${name} got ${count} of ${answers.length}`).toBeLessThan(0.47);
  }
}

test.each(["1", "2", "3"])(
  "host %s spreads 300 outside connections over all three replicas",
  async (host) => {
    const url = `http://${swarm.ip(host)}:8080/?[1-300]`;
    // Each on a connection of its own, since the server closes it.
    const { stdout } = await swarm.exec(
      "client",
      "curl",
      "-sS",
      "--max-time",
      "5",
      "-H",
      "Connection: close",
      url,
    );
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as Answer).hostname);
    expect(answers.length).toBe(300);
    expectEven(answers);
  },
);

test("a container spreads 300 connections to a VIP over all three replicas", async () => {
  const [from] = await swarm.containers("both");
  const script = "for i in $(seq 300); do timeout 5 wget -qO- http://web/; done";
  const { stdout } = await swarm.inTask(from!, "sh", "-c", script);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as Answer).hostname);
  expect(answers.length).toBe(300);
  expectEven(answers);
});

test("every host answers on the published port, also one without a replica, and the task sees the client's address", async () => {
  const [task] = await swarm.containers("lone");
  for (const host of ["1", "2", "3"]) {
    const answer = await ask("client", `http://${swarm.ip(host)}:8081/`);
    expect(plain(answer.client), `entry by host ${host}, task on host ${task?.host}`).toBe(
      swarm.ip("client"),
    );
  }
});

test("every host answers on its own loopback and its own address", async () => {
  for (const host of ["1", "2", "3"]) {
    expect((await ask(host, "http://127.0.0.1:8081/")).hostname).toBeTruthy();
    expect((await ask(host, `http://${swarm.ip(host)}:8081/`)).hostname).toBeTruthy();
  }
});

test("one host's client reaches a published port on another host with its own address", async () => {
  for (const [from, to] of [
    ["1", "2"],
    ["2", "3"],
    ["3", "1"],
  ] as const) {
    const answer = await ask(from, `http://${swarm.ip(to)}:8081/`);
    expect(plain(answer.client), `from ${from} by ${to}`).toBe(swarm.ip(from));
  }
});

test("services find each other by name on shared networks, and only there", async () => {
  const reach = async (from: string, to: string) => {
    const [task] = await swarm.containers(from);
    const { code } = await swarm.inTask(task!, "timeout", "3", "wget", "-qO-", `http://${to}/`);
    return code === 0;
  };
  expect(await reach("both", "web")).toBe(true);
  expect(await reach("both", "deep")).toBe(true);
  expect(await reach("deep", "both")).toBe(true);
  expect(await reach("web", "lone")).toBe(true);
  expect(await reach("web", "deep")).toBe(false);
  expect(await reach("deep", "web")).toBe(false);
});

/** Every IPv4 address in a task's namespace but loopback. */
async function addressesOf(task: TaskContainer): Promise<string[]> {
  const { stdout } = await swarm.inTask(task, "ip", "-o", "-4", "addr");
  return (stdout.match(/\d+\.\d+\.\d+\.\d+(?=\/)/g) ?? []).filter((a) => !a.startsWith("127."));
}

test("a task cannot reach a service of a network it is not on, not even by address", async () => {
  const vips = "{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}";
  const vip = (await swarm.docker("1", "service", "inspect", "deep", "--format", vips)).split("/")[0] ?? "";
  const [deep] = await swarm.containers("deep");
  const foreign = await addressesOf(deep!);
  expect(foreign.length).toBeGreaterThan(1);
  const webs = await swarm.containers("web");
  expect(webs.map((web) => web.host)).toContain(deep?.host); // one of them is a neighbour
  const tries = webs.map(async (web) => {
    // Hosts number their gateway's addresses alike: the same number on another host is somebody else.
    const own = await addressesOf(web);
    const others = [vip, ...foreign].filter((address) => !own.includes(address));
    const reached = others.map(async (address) => {
      const { code } = await swarm.inTask(web, "timeout", "2", "wget", "-qO-", `http://${address}/`);
      return code === 0 ? [`${address} from host ${web.host}`] : [];
    });
    return (await Promise.all(reached)).flat();
  });
  expect((await Promise.all(tries)).flat()).toEqual([]);
});

test("tasks.<service> names every replica", async () => {
  const [from] = await swarm.containers("both");
  await eventually(10_000, "three addresses behind tasks.web", async () => {
    const { stdout } = await swarm.inTask(from!, "nslookup", "tasks.web", "127.0.0.11");
    const addresses = new Set(stdout.match(/Address:?\s*(?:\d: )?10\.\d+\.\d+\.\d+/g));
    return addresses.size === 3;
  });
});

test("a large answer passes every path (MTU)", async () => {
  const { stdout } = await swarm.exec(
    "client",
    "curl",
    "-sS",
    "--max-time",
    "10",
    "-o",
    "/dev/null",
    "-w",
    "%{size_download}",
    `http://${swarm.ip("2")}:8081/bytes/3000000`,
  );
  expect(stdout).toBe("3000000");
});
