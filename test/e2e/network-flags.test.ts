import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askUdp, type Child, listener, nameServer, runScript } from "../support/children.ts";
import { openSctp } from "../support/sctp.ts";
import { eventually, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/** The network flags of `docker service create` and `update`, by what they do to containers and to who calls them. */

let swarm: TestSwarm;
const children: Child[] = [];
const OUTSIDE = "203.0.113.7";

beforeAll(async () => {
  swarm = await TestSwarm.up("netflags");
  children.push(await runScript(swarm, "client", nameServer(OUTSIDE)));
  await swarm.docker("1", "network", "create", "--driver", "overlay", "front");
  await swarm.service("asker", "--network", "front", "shoal/probe");
});

afterAll(async () => {
  await Promise.all(children.map((child) => child.stop()));
  await swarm?.[Symbol.asyncDispose]();
});

const inspect = (what: string, format: string) => swarm.docker("1", "inspect", "--format", format, what);
const update = (...args: string[]) => swarm.docker("1", "service", "update", "-d", "-q", ...args);

async function only(service: string): Promise<TaskContainer> {
  const [task] = await swarm.containers(service);
  if (task === undefined) throw new Error(`${service} has no container`);
  return task;
}

async function inside(service: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr, code } = await swarm.inTask(await only(service), ...argv);
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** The addresses of a name as a container of the service finds them, in the order of the answer. */
async function lookUp(service: string, name: string): Promise<string[]> {
  const { stdout } = await swarm.inTask(await only(service), "nslookup", "-type=a", name);
  const [, answer = ""] = stdout.split(/\n\n(.*)/s);
  return [...answer.matchAll(/^Address(?: \d+)?:\s*(\d+\.\d+\.\d+\.\d+)/gm)].map((m) => m[1] ?? "");
}

/** What the probe says at a port of a host. */
async function page(from: string, host: string, port: number): Promise<{ client: string; hostname: string }> {
  const url = `http://${swarm.ip(host)}:${port}/`;
  const { stdout, code } = await swarm.exec(from, "curl", "-sS", "--max-time", "3", url);
  if (code !== 0) throw new Error(`${url} from ${from}: exit ${code}`);
  return JSON.parse(stdout);
}

/** The same, once its program is up: a task runs a moment before it listens. */
const firstPage = (from: string, host: string, port: number) =>
  eventually(5_000, `port ${port} of host ${host} answers`, () => page(from, host, port));

const homeOf = (hostname: string) => `--constraint=node.hostname==${hostname}`;
const hostnameOf = (host: string) => swarm.docker(host, "info", "--format", "{{.Name}}");

describe.concurrent("endpoint mode dnsrr", () => {
  const addressesOf = async (service: string): Promise<string[]> => {
    const ids = await swarm.ps(service, "{{.ID}}", "--filter", "desired-state=running");
    const format = "{{range .NetworksAttachments}}{{range .Addresses}}{{.}} {{end}}{{end}}";
    const found = await Promise.all(ids.map((id) => inspect(id, format)));
    return found.map((text) => text.replace(/\/.*/, "")).sort();
  };
  const found = (service: string, name: string, want: readonly string[]) =>
    eventually(10_000, `${name} is ${want.join(", ")}`, async () => {
      const got = (await lookUp("asker", name)).sort();
      return JSON.stringify(got) === JSON.stringify(want) || Promise.reject(new Error(`${service}: ${got}`));
    });

  test("a name is all its tasks, in turns, and follows their number; no VIP is used up", async () => {
    const flags = ["--endpoint-mode", "dnsrr", "--network", "name=front,alias=rr", "--replicas", "3"];
    await swarm.service("round", ...flags, "shoal/probe");
    expect(await inspect("round", "{{.Spec.EndpointSpec.Mode}} {{json .Endpoint.VirtualIPs}}")).toBe(
      "dnsrr null",
    );
    const three = await addressesOf("round");
    expect(three).toHaveLength(3);
    for (const name of ["round", "rr", "tasks.round", "tasks.rr"]) await found("round", name, three);
    const firsts = new Set<string>();
    for (let i = 0; i < 12; i++) firsts.add((await lookUp("asker", "round"))[0] ?? "");
    expect([...firsts].sort()).toEqual(three);
    await swarm.docker("1", "service", "scale", "-d", "round=1");
    await swarm.replicas("round", 1);
    await found("round", "round", await addressesOf("round"));
    expect(JSON.parse(await inside("asker", "wget", "-qO-", "http://round/")).hostname).toBeTruthy();
  });

  test("ingress ports are refused in Swarm's words, ports in host mode are not", async () => {
    const create = (...args: string[]) =>
      swarm.try("1", "service", "create", "-d", "--endpoint-mode", "dnsrr", ...args, "shoal/probe");
    const { code, stderr } = await create("-p", "8201:80");
    expect(code).toBe(1);
    expect(stderr).toContain("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    await swarm.service(
      "openly",
      ...["--endpoint-mode", "dnsrr", "-p", "mode=host,published=8202,target=80", "shoal/probe"],
    );
    const { host } = await only("openly");
    expect((await firstPage("client", host, 8202)).client).toBe(swarm.ip("client"));
  });

  test("an update of the mode gives a VIP, and takes it back", async () => {
    await swarm.service("turncoat", "--network", "front", "--replicas", "2", "shoal/probe");
    const vipOf = async () => {
      const vips = await inspect("turncoat", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}");
      return vips.replace(/\/.*/, "");
    };
    const first = await vipOf();
    await found("turncoat", "turncoat", [first]);
    await update("--endpoint-mode", "dnsrr", "turncoat");
    const settled = () =>
      eventually(
        30_000,
        "the update is over",
        async () => (await inspect("turncoat", "{{.UpdateStatus.State}}")) === "completed",
      );
    await settled();
    expect(await vipOf()).toBe("");
    await found("turncoat", "turncoat", await addressesOf("turncoat"));
    await update("--endpoint-mode", "vip", "turncoat");
    await settled();
    const again = await vipOf();
    expect(again).toMatch(/^10\./);
    await found("turncoat", "turncoat", [again]);
    await found("turncoat", "tasks.turncoat", await addressesOf("turncoat"));
  });
});

describe.concurrent("ports", () => {
  test("in host mode, TCP and UDP: only where the task is, with the client's address", async () => {
    const port = (protocol: string) => `mode=host,published=8210,target=80,protocol=${protocol}`;
    await swarm.service("edge", "-p", port("tcp"), "-p", port("udp"), "shoal/probe");
    const { host, id } = await only("edge");
    const client = swarm.ip("client");
    expect((await firstPage("client", host, 8210)).client).toBe(client);
    expect(JSON.parse(await askUdp(swarm, "client", swarm.ip(host), 8210)).client).toBe(client);
    for (const other of swarm.lab.hosts.filter((one) => one !== host)) {
      await expect(page("client", other, 8210)).rejects.toThrow("exit 7");
      expect(await askUdp(swarm, "client", swarm.ip(other), 8210)).toBe("");
    }
    const shown = await swarm.docker(host, "ps", "--filter", `id=${id}`, "--format", "{{.Ports}}");
    expect(shown.split(", ").sort()).toEqual(["0.0.0.0:8210->80/tcp", "0.0.0.0:8210->80/udp"]);
    expect((await swarm.ps("edge", "{{.Ports}}"))[0]?.split(",").sort()).toEqual([
      "*:8210->80/tcp",
      "*:8210->80/udp",
    ]);
  });

  test("a number that the node chose is told by the task, the container and the node", async () => {
    await swarm.service("chosen", "-p", "mode=host,target=80", "shoal/probe");
    const { host, id, taskId } = await only("chosen");
    const status = JSON.parse(await inspect(taskId, "{{json .Status.PortStatus.Ports}}"));
    const [{ PublishedPort: port }] = status;
    expect(status).toEqual([{ Protocol: "tcp", TargetPort: 80, PublishedPort: port, PublishMode: "host" }]);
    expect(port).toBeGreaterThan(32_767);
    const container = await swarm.docker(host, "inspect", "--format", "{{json .NetworkSettings.Ports}}", id);
    expect(JSON.parse(container)["80/tcp"]).toEqual([{ HostIp: "0.0.0.0", HostPort: String(port) }]);
    expect((await firstPage("client", host, port)).client).toBe(swarm.ip("client"));
    // The service's words stay as they were.
    expect(await inspect("chosen", "{{(index .Spec.EndpointSpec.Ports 0).PublishedPort}}")).toBe("0");
  });

  test("one that a program of the host has: the task is rejected and says so; another node is as good", async () => {
    const [one = "", two = ""] = [await hostnameOf("2"), await hostnameOf("3")];
    const program = await runScript(swarm, "2", listener(8220));
    children.push(program);
    const publish = ["-p", "mode=host,published=8220,target=80", "--restart-delay", "1s"];
    await swarm.docker(
      "1",
      "service",
      "create",
      "-d",
      "--name",
      "late",
      ...publish,
      homeOf(one),
      "shoal/probe",
    );
    await eventually(15_000, "a task is rejected", async () =>
      (await swarm.ps("late", "{{.CurrentState}}|{{.Error}}")).some((row) =>
        /^Rejected .*\|.*port 8220\/tcp is in use on this node by another program/.test(row),
      ),
    );
    await swarm.service("soon", ...publish, homeOf(two), "shoal/probe");
    // A program that goes makes room.
    await program.stop();
    await swarm.replicas("late", 1);
    expect((await firstPage("client", "2", 8220)).client).toBe(swarm.ip("client"));
  });

  test("one that another service has there: the task waits for a node with the port free, and says so", async () => {
    const home = homeOf(await hostnameOf("2"));
    const publish = (protocol: string) => ["-p", `mode=host,published=8270,target=80,protocol=${protocol}`];
    await swarm.service("holder", ...publish("tcp"), home, "shoal/probe");
    const waiter = ["service", "create", "-d", "-q", "--name", "waiter", ...publish("tcp"), home];
    await swarm.docker("1", ...waiter, "shoal/probe");
    await eventually(15_000, "the other's task says what it waits for", async () =>
      (await swarm.ps("waiter", "{{.CurrentState}}|{{.Error}}")).some((row) =>
        /^Pending .*host-mode port already in use on 1 node/.test(row),
      ),
    );
    // The same number of another protocol is another port; and so is the port of another node.
    await swarm.service("datagrams", ...publish("udp"), home, "shoal/probe");
    await swarm.service("aside", ...publish("tcp"), homeOf(await hostnameOf("3")), "shoal/probe");
    await swarm.docker("1", "service", "rm", "holder");
    await swarm.replicas("waiter", 1);
    expect((await firstPage("client", "2", 8270)).client).toBe(swarm.ip("client"));
  });

  test("SCTP comes as the others do, through the mesh and straight, with the client's address", async () => {
    const straight = "mode=host,published=8261,target=80,protocol=sctp";
    await swarm.service("signal", "-p", "8260:80/sctp", "-p", straight, "shoal/probe");
    const task = await only("signal");
    const expected = `${swarm.ip("client")} 80`;
    expect(await openSctp(swarm, task, task.host, 8261)).toBe(expected);
    for (const host of swarm.lab.hosts) expect(await openSctp(swarm, task, host, 8260)).toBe(expected);
  });

  test("ranges, and ports that are added and removed", async () => {
    await swarm.service("range", "-p", "8230-8232:80-82", "--env", "PORT=81", "shoal/probe");
    const ports = () =>
      inspect("range", "{{range .Endpoint.Ports}}{{.PublishedPort}}:{{.TargetPort}} {{end}}");
    expect((await ports()).split(" ").sort()).toEqual(["8230:80", "8231:81", "8232:82"]);
    for (const host of swarm.lab.hosts) expect((await firstPage("client", host, 8231)).hostname).toBeTruthy();
    await update("--publish-rm", "80", "--publish-rm", "82", "--publish-add", "8239:81", "range");
    await eventually(
      30_000,
      "the update is over",
      async () => (await inspect("range", "{{.UpdateStatus.State}}")) === "completed",
    );
    expect((await ports()).split(" ").sort()).toEqual(["8231:81", "8239:81"]);
    await eventually(5_000, "the new port answers", () => page("client", "3", 8239));
    await expect(page("client", "3", 8230)).rejects.toThrow("exit 7");
  });
});

describe.concurrent("names", () => {
  test("--dns, --dns-search, --dns-option: its questions go where it says, the swarm's names stay", async () => {
    const words = ["--dns", swarm.ip("client"), "--dns-search", "corp.example", "--dns-option", "timeout:3"];
    await swarm.service("dialer", "--network", "front", ...words, "shoal/probe");
    expect((await inside("dialer", "cat", "/etc/resolv.conf")).trim().split("\n").sort()).toEqual([
      "nameserver 127.0.0.11",
      "options timeout:3 ndots:0",
      "search corp.example",
    ]);
    expect(await lookUp("dialer", "www.example.org.")).toEqual([OUTSIDE]);
    const asker = await lookUp("asker", "asker.");
    expect(asker).toHaveLength(1);
    expect(await lookUp("dialer", "asker.")).toEqual(asker);
    expect(await lookUp("asker", "www.example.org.")).toEqual([]);
  });

  test("on an internal network nothing is asked of the outside, whatever --dns says", async () => {
    await swarm.docker("1", "network", "create", "--driver", "overlay", "--internal", "shut-in");
    const dns = ["--dns", swarm.ip("client")];
    await swarm.service("hermit", "--network", "shut-in", ...dns, "shoal/probe");
    await swarm.service("visitor", "--network", "shut-in", "--network", "front", ...dns, "shoal/probe");
    // Who is also on another network may ask, so the name server is there to be asked.
    expect(await lookUp("visitor", "www.example.org.")).toEqual([OUTSIDE]);
    expect(await lookUp("hermit", "www.example.org.")).toEqual([]);
    expect(await lookUp("hermit", "visitor.")).toHaveLength(1);
  });

  test("--hostname and --host are in the container", async () => {
    await swarm.service(
      "named",
      ...["--hostname", "{{.Service.Name}}-{{.Task.Slot}}", "--host", "ldap:192.0.2.9", "--network", "front"],
      "shoal/probe",
    );
    expect((await inside("named", "cat", "/proc/sys/kernel/hostname")).trim()).not.toBe("");
    const task = await only("named");
    const hosts = await inside("named", "cat", "/etc/hosts");
    expect(hosts).toMatch(/^192\.0\.2\.9\s+ldap$/m);
    expect(hosts).toMatch(/^10\.\d+\.\d+\.\d+\s+named-1$/m);
    expect(await swarm.docker(task.host, "inspect", "--format", "{{.Config.Hostname}}", task.id)).toBe(
      "named-1",
    );
  });

  test("aliases and driver options come with a network that is added, and go with it", async () => {
    await swarm.docker("1", "network", "create", "--driver", "overlay", "side");
    await swarm.service("mover", "--network", "name=front,alias=m1,driver-opt=some.key=v", "shoal/probe");
    expect(await inspect("mover", "{{json (index .Spec.TaskTemplate.Networks 0).DriverOpts}}")).toBe(
      '{"some.key":"v"}',
    );
    await swarm.service("side-asker", "--network", "side", "shoal/probe");
    expect(await lookUp("asker", "m1")).toHaveLength(1);
    await update("--network-add", "name=side,alias=m2", "--network-rm", "front", "mover");
    await eventually(
      20_000,
      "it is found on the other side",
      async () => (await lookUp("side-asker", "m2")).length,
    );
    await eventually(
      20_000,
      "and no more on the first",
      async () => (await lookUp("asker", "m1")).length === 0,
    );
  });
});

describe.concurrent("the nodes' own networks", () => {
  test("--network host: a task has its node's addresses, ports and name servers, and no VIP", async () => {
    const port = "mode=host,published=8250,target=8250";
    await swarm.service(
      "bare",
      ...["--network", "host", "-p", port, "--env", "PORT=8250", "--replicas", "2", "shoal/probe"],
    );
    expect(await inspect("bare", "{{json .Endpoint.VirtualIPs}}")).toBe("null");
    const tasks = await swarm.containers("bare");
    expect(new Set(tasks.map(({ host }) => host)).size).toBe(2);
    for (const { host, id } of tasks) {
      const { client, hostname } = await firstPage("client", host, 8250);
      expect([client, hostname]).toEqual([swarm.ip("client"), await hostnameOf(host)]);
      const of = (format: string) => swarm.docker(host, "inspect", "--format", format, id);
      expect(await of("{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Ports}}")).toMatch(/^host /);
      expect(await of("{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}")).toBe("host");
    }
    const addresses = await inside("bare", "ip", "-o", "-4", "addr");
    expect(addresses).toContain(`${swarm.ip(tasks[0]?.host ?? "")}/`);
    expect(await inside("bare", "cat", "/etc/resolv.conf")).not.toContain("127.0.0.11");
    await swarm.docker("1", "service", "scale", "-d", "bare=4");
    await eventually(10_000, "the fourth finds no node with the port free", async () =>
      (await swarm.ps("bare", "{{.CurrentState}}|{{.Error}}")).some((row) =>
        /^Pending .*host-mode port already in use on 3 nodes/.test(row),
      ),
    );
  });

  test("the node's own are found by name and listed, not removed; what cannot be joined with them is refused", async () => {
    const of = (name: string) =>
      swarm.docker("1", "network", "inspect", "--format", "{{.Name}} {{.Scope}} {{.Driver}}", name);
    expect([await of("host"), await of("bridge")]).toEqual(["host local host", "bridge local bridge"]);
    const listed = await swarm.docker("1", "network", "ls", "--format", "{{.Name}} {{.Scope}}");
    expect(listed.split("\n").filter((line) => /^(bridge|host|none) /.test(line))).toEqual([
      "bridge local",
      "host local",
      "none local",
    ]);
    const refusal = async (...args: string[]) => (await swarm.try("1", ...args)).stderr;
    expect(await refusal("network", "rm", "host")).toContain(
      "host is a pre-defined network and cannot be removed",
    );
    const create = (...args: string[]) => refusal("service", "create", "-d", ...args, "shoal/probe");
    expect(await create("--network", "host", "-p", "8251:80")).toContain(
      "publish with mode=host, or not at all",
    );
    expect(await create("--network", "host", "--network", "front")).toContain(
      "cannot attach both user-defined and non-user-defined network-modes",
    );
    expect(await create("--network", "name=host,alias=x")).toContain(
      "network-scoped alias is supported only",
    );
    expect(await create("--network", "none")).toMatch(/network none not found|No such network: none/);
  });

  test("--network bridge: the way out and nothing else; an update takes a service from one kind to the other", async () => {
    await swarm.service("plain", "--network", "bridge", "shoal/probe");
    const out = await inside("plain", "ping", "-c1", "-W3", swarm.ip("client"));
    expect(out).toContain(" 0% packet loss");
    await update("--network-rm", "bridge", "--network-add", "front", "plain");
    await eventually(20_000, "it is found", async () => (await lookUp("asker", "plain")).length === 1);
    await update("--network-rm", "front", "--network-add", "host", "--env-add", "PORT=8255", "plain");
    await eventually(20_000, "it is on its node's network", async () => {
      const { host } = await only("plain");
      return (await page("client", host, 8255)).hostname === (await hostnameOf(host));
    });
    expect(await lookUp("asker", "plain")).toEqual([]);
  });
});
