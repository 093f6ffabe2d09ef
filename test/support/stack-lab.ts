import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect } from "vitest";
import { addressOf, REGISTRY, REGISTRY_PORT } from "../../src/lab/index.ts";
import { type ExecResult, exec } from "../../src/sys/index.ts";
import {
  type LabPlaces,
  overrideFor,
  readStack,
  STACKS,
  type StackFile,
  stackNameOf,
} from "./stack-files.ts";
import { eventually, type TaskContainer, TestSwarm } from "./swarm.ts";

const SHOAL = resolve(import.meta.dirname, "../../bin/shoal");

interface FileRef {
  readonly File: { readonly Name: string; readonly UID: string; readonly GID: string; readonly Mode: number };
  readonly SecretName?: string;
  readonly ConfigName?: string;
}

interface ServiceJson {
  readonly ID: string;
  readonly Spec: {
    readonly Name: string;
    readonly TaskTemplate: {
      readonly ContainerSpec: {
        readonly Secrets?: readonly FileRef[];
        readonly Configs?: readonly FileRef[];
        readonly Mounts?: readonly {
          readonly Type: string;
          readonly Target: string;
          readonly ReadOnly?: boolean;
        }[];
        readonly Healthcheck?: { readonly Test?: readonly string[] };
      };
      readonly Networks?: readonly { readonly Target: string }[];
    };
  };
  readonly Endpoint: {
    readonly Ports?: readonly {
      readonly Protocol: string;
      readonly TargetPort: number;
      readonly PublishedPort: number;
      readonly PublishMode: string;
    }[];
  };
}

/** Three hosts whose registry has an image, or what stands in for it, under each name that the example stacks say. */
export class StackLab {
  readonly swarm: TestSwarm;
  readonly #places: LabPlaces;

  private constructor(swarm: TestSwarm, places: LabPlaces) {
    this.swarm = swarm;
    this.#places = places;
  }

  static async up(name: string): Promise<StackLab> {
    const swarm = await TestSwarm.up(name);
    const folder = mkdtempSync(join(tmpdir(), "shoal-stacks-"));
    const sockets = swarm.lab.hosts.map(
      (host) => [`${swarm.lab.name}-${host}`, swarm.hostPaths(host).apiSocket] as const,
    );
    const registry = `${addressOf(swarm.lab, REGISTRY)}:${REGISTRY_PORT}`;
    // What gitlab's file wants of a node.
    await swarm.docker("1", "node", "update", "--label-add", "git=true", `${swarm.lab.name}-2`);
    return new StackLab(swarm, { folder, registry, sockets: new Map(sockets) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    rmSync(this.#places.folder, { recursive: true, force: true });
  }

  /** Deploys a stack by the stock CLI, or by `shoal stack deploy`, which itself waits until all is up. */
  async deploy(file: string, by: "docker" | "shoal"): Promise<DeployedStack> {
    const stack = new DeployedStack(this.swarm, file);
    const files = [join(STACKS, file), overrideFor(file, this.#places)];
    const flags = files.flatMap((path) => [by === "docker" ? "-c" : "-f", path]);
    const env = { ...process.env, DOCKER_HOST: `unix://${this.swarm.hostPaths("1").apiSocket}` };
    const argv: [string, ...string[]] =
      by === "docker" ? ["docker", "stack", "deploy"] : [SHOAL, "stack", "deploy", "--timeout", "120"];
    const { code, stdout, stderr } = await exec([...argv, ...flags, stack.name], { env });
    expect(code, `${stdout}${stderr}`).toBe(0);
    return stack;
  }
}

/** What REPLICAS is for a service that has all its tasks, and for a job that is done. */
function isWhole(replicas: string): boolean {
  return /^(\d+)\/\1( \(max \d+ per node\))?$|^\d+\/\d+ \((\d+)\/\3 completed\)$/.test(replicas);
}

/** A stack that was deployed, and what one can see of it. */
export class DeployedStack {
  readonly name: string;
  readonly file: string;
  readonly said: StackFile;
  readonly #swarm: TestSwarm;

  constructor(swarm: TestSwarm, file: string) {
    this.#swarm = swarm;
    this.file = file;
    this.name = stackNameOf(file);
    this.said = readStack(file);
  }

  #lines(...args: string[]): Promise<string[]> {
    return this.#swarm.docker("1", ...args).then((text) => text.split("\n").filter(Boolean));
  }

  /** Waits until `stack services` says that each of the file's services has all its replicas, or its job is done. */
  async converged(): Promise<void> {
    await eventually(120_000, `${this.name} converges`, async () => {
      const rows = await this.#lines("stack", "services", "--format", "{{.Name}} {{.Replicas}}", this.name);
      expect(rows.map((row) => row.split(" ")[0]).sort()).toEqual(
        this.services().map((one) => `${this.name}_${one}`),
      );
      const late = rows.filter((row) => !isWhole(row.slice(row.indexOf(" ") + 1)));
      const states = () =>
        this.#lines(
          "stack",
          "ps",
          "--no-trunc",
          "--format",
          "{{.Name}} {{.CurrentState}} {{.Error}}",
          this.name,
        );
      if (late.length > 0) throw new Error(`${late.join("\n")}\n${(await states()).join("\n")}`);
      return true;
    });
    // With a filter the CLI takes a stack of jobs that are done for none.
    const format = "{{.Name}}: {{.DesiredState}} {{.CurrentState}} {{.Error}}";
    const states = await this.#lines("stack", "ps", "--format", format, this.name);
    for (const state of states.filter((one) => one.includes(": Running "))) {
      expect(state).toMatch(/: Running Running [^"]*$/);
    }
  }

  services(): string[] {
    return Object.keys(this.said.services).sort();
  }

  containers(service: string): Promise<TaskContainer[]> {
    return this.#swarm.containers(`${this.name}_${service}`);
  }

  /** A command inside a container, as `docker exec` on its host; its standard output, or what it said when it failed. */
  async inside({ host, id }: TaskContainer, ...argv: string[]): Promise<string> {
    return this.#swarm.docker(host, "exec", "-u", "0", id, ...argv);
  }

  /** `inside` the first container of a service. */
  async inOne(service: string, ...argv: string[]): Promise<string> {
    const [one] = await this.containers(service);
    if (one === undefined) throw new Error(`no container of ${service} runs`);
    return this.inside(one, ...argv);
  }

  async inspect(service: string): Promise<ServiceJson> {
    return JSON.parse(await this.#swarm.docker("1", "service", "inspect", `${this.name}_${service}`))[0];
  }

  /** Every published port: of ingress through each host, of hosts where a task is; the answer comes from the image's own port. */
  async portsAnswer(): Promise<void> {
    for (const service of this.services()) {
      const { Endpoint } = await this.inspect(service);
      for (const port of Endpoint.Ports ?? []) {
        const on = (await this.containers(service)).map(({ host }) => host);
        const hosts = port.PublishMode === "host" ? on : this.#swarm.lab.hosts;
        for (const host of hosts)
          await this.#answers(service, host, port.Protocol, port.PublishedPort, port.TargetPort);
      }
    }
  }

  async #answers(
    service: string,
    host: string,
    protocol: string,
    published: number,
    target: number,
  ): Promise<void> {
    const to = `${this.#swarm.ip(host)}:${published}`;
    await eventually(20_000, `${this.name}_${service} answers at ${to}/${protocol}`, async () => {
      const { stdout, stderr } = await this.#ask(protocol, to);
      const isOwn =
        protocol === "udp"
          ? stdout === "ping"
          : stdout.includes(`"port":${target},`) || /<html/i.test(stdout);
      return isOwn || Promise.reject(new Error(`${stdout}${stderr}`));
    });
  }

  #ask(protocol: string, to: string): Promise<ExecResult> {
    if (protocol === "tcp")
      return this.#swarm.exec("client", "curl", "-sS", "--max-time", "5", `http://${to}/`);
    const [address = "", port = ""] = to.split(":");
    const script = `my $s; socket($s, 2, 2, 0); connect($s, pack("Sna4x8", 2, ${port}, pack("C4", split /\\./, "${address}")));
      send($s, "ping", 0); alarm 2; recv($s, my $said, 9, 0); print $said;`;
    return this.#swarm.exec("client", "perl", "-e", script);
  }

  /** Secrets and configs are files with the content of the stack's own, and of whom and with which mode it says. */
  async filesAreThere(): Promise<void> {
    for (const service of this.services()) {
      const { Secrets = [], Configs = [] } = (await this.inspect(service)).Spec.TaskTemplate.ContainerSpec;
      for (const ref of [...Secrets, ...Configs]) {
        const { Name, UID, GID, Mode } = ref.File;
        const path = Name.startsWith("/")
          ? Name
          : `${ref.SecretName === undefined ? "" : "/run/secrets"}/${Name}`;
        const facts = `${UID} ${GID} ${Mode.toString(8)} ${this.#digestOf(ref)}`;
        for (const container of await this.containers(service)) {
          const script = `echo $(stat -c "%u %g %a" ${path}) $(sha256sum < ${path} | cut -d " " -f 1)`;
          expect(await this.inside(container, "sh", "-c", script), `${service} ${path}`).toBe(facts);
        }
      }
    }
  }

  #digestOf({ SecretName, ConfigName }: FileRef): string {
    const key = (SecretName ?? ConfigName ?? "").slice(this.name.length + 1).replace(/-[0-9a-f]{12}$/, "");
    const file = (SecretName === undefined ? this.said.configs : this.said.secrets)?.[key]?.file ?? "";
    return createHash("sha256")
      .update(readFileSync(join(STACKS, dirname(this.file), file)))
      .digest("hex");
  }

  /** Every mount is one in the container; what may be written can be. */
  async mountsAreThere(): Promise<void> {
    for (const service of this.services()) {
      const { Mounts = [] } = (await this.inspect(service)).Spec.TaskTemplate.ContainerSpec;
      if (Mounts.length === 0) continue;
      const scripts = Mounts.map(({ Type, Target, ReadOnly }) => {
        const mounted = `grep -q " ${Target} " /proc/mounts || echo ${Target} is not mounted`;
        const writable = `touch ${Target}/.seen || echo ${Target} cannot be written`;
        return Type === "bind" || ReadOnly === true ? mounted : `${mounted}; ${writable}`;
      });
      for (const container of await this.containers(service)) {
        expect(await this.inside(container, "sh", "-c", `(${scripts.join("; ")}) 2>&1`), service).toBe("");
      }
    }
  }

  /** A service with a health check in the file has only healthy containers. */
  async checkedAreHealthy(): Promise<void> {
    for (const [service, { healthcheck }] of Object.entries(this.said.services)) {
      if (healthcheck === undefined || healthcheck.disable === true) continue;
      for (const { host, id } of await this.containers(service)) {
        expect(
          await this.#swarm.docker(host, "inspect", "--format", "{{.State.Health.Status}}", id),
          service,
        ).toBe("healthy");
      }
    }
  }

  /**
   * From each service that has the program `reach`, the ports of each other on a network of both, by its name and by its tasks'. What
   * runs another program than its image's own is asked for nothing.
   */
  async namesResolve(portsOf: (image: string) => readonly string[]): Promise<void> {
    const networksOf = async (service: string) =>
      ((await this.inspect(service)).Spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target);
    const all = await Promise.all(
      this.services().map(async (name) => ({ name, networks: await networksOf(name) })),
    );
    const asked = all.filter(({ name }) => this.said.services[name]?.entrypoint === undefined);
    for (const from of all) {
      const [container] = await this.containers(from.name);
      if (container === undefined || (await this.#lacksReach(container))) continue;
      const shared = asked.filter(({ networks }) => networks.some((id) => from.networks.includes(id)));
      const commands = await Promise.all(shared.map(({ name }) => this.#reaching(name, portsOf)));
      await this.inside(container, "sh", "-ec", ["true", ...commands.flat()].join("\n"));
    }
  }

  /** The commands that reach a service; none when it has no task. */
  async #reaching(service: string, portsOf: (image: string) => readonly string[]): Promise<string[]> {
    if ((await this.containers(service)).length === 0) return [];
    const ports = portsOf(this.said.services[service]?.image ?? "");
    return ports.flatMap((port) => [`reach ${service} ${port}`, `reach tasks.${service} ${port}`]);
  }

  async #lacksReach({ host, id }: TaskContainer): Promise<boolean> {
    return (await this.#swarm.try(host, "exec", id, "sh", "-c", "command -v reach")).code !== 0;
  }

  /** `docker stack rm`, until nothing of it is left but its volumes, which are removed then: nobody uses them. */
  async removed(): Promise<void> {
    await this.#swarm.docker("1", "stack", "rm", this.name);
    const label = ["--filter", `label=com.docker.stack.namespace=${this.name}`];
    await eventually(60_000, `nothing of ${this.name} is left`, async () => {
      const kinds = ["service", "network", "secret", "config"].map((kind) =>
        this.#lines(kind, "ls", "-q", ...label),
      );
      const hosts = this.#swarm.lab.hosts;
      const containers = hosts.map((host) => this.#swarm.docker(host, "ps", "-aq", ...label));
      const networks = hosts.map((host) => this.#swarm.docker(host, "network", "ls", "-q", ...label));
      const left = (await Promise.all([...kinds, ...containers, ...networks])).flat().filter(Boolean);
      return left.length === 0 || Promise.reject(new Error(left.join(" ")));
    });
    expect(await this.#lines("stack", "ls", "--format", "{{.Name}}")).not.toContain(this.name);
    for (const host of this.#swarm.lab.hosts) {
      const volumes = (await this.#swarm.docker(host, "volume", "ls", "-q", ...label))
        .split("\n")
        .filter(Boolean);
      if (volumes.length > 0) await this.#swarm.docker(host, "volume", "rm", ...volumes);
    }
  }
}
