import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm, tally } from "../support/swarm.ts";

/** The routing mesh, VIPs, names and isolation, seen from outside clients and from inside containers. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("mesh");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await swarm.docker("1", "network", "create", "--driver", "overlay", "back");
  await swarm.docker(
    "1",
    "service",
    "create",
    "-q",
    "--name",
    "web",
    "-p",
    "8080:80",
    "--replicas",
    "3",
    "--network",
    "front",
    "shoal/probe",
  );
  await swarm.docker(
    "1",
    "service",
    "create",
    "-q",
    "--name",
    "lone",
    "-p",
    "8081:80",
    "--network",
    "front",
    "shoal/probe",
  );
  await swarm.docker(
    "1",
    "service",
    "create",
    "-q",
    "--name",
    "both",
    "--network",
    "front",
    "--network",
    "back",
    "shoal/probe",
  );
  await swarm.docker("1", "service", "create", "-q", "--name", "deep", "--network", "back", "shoal/probe");
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
    const script = `for i in $(seq 300); do curl -sS --max-time 5 http://${swarm.ip(host)}:8080/; done`;
    const { stdout } = await swarm.exec("client", "sh", "-c", script);
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

test("a task cannot reach a service of a network it is not on, not even by address", async () => {
  const inspect = await swarm.docker(
    "1",
    "service",
    "inspect",
    "deep",
    "--format",
    "{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}",
  );
  const vip = inspect.split("/")[0] ?? "";
  const [web] = await swarm.containers("web");
  const [deep] = await swarm.containers("deep");
  const addresses =
    (await swarm.inTask(deep!, "ip", "-o", "-4", "addr")).stdout.match(/\d+\.\d+\.\d+\.\d+(?=\/)/g) ?? [];
  expect(addresses.length).toBeGreaterThan(1);
  for (const address of [vip, ...addresses].filter((a) => !a.startsWith("127."))) {
    const { code } = await swarm.inTask(web!, "timeout", "2", "wget", "-qO-", `http://${address}/`);
    expect(code, `web reached ${address}`).not.toBe(0);
  }
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
