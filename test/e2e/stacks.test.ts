import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exposedBy } from "../../scripts/images/stand-ins.ts";
import { STACK_FILES } from "../support/stack-files.ts";
import { type DeployedStack, StackLab } from "../support/stack-lab.ts";
import { eventually } from "../support/swarm.ts";

/**
 * The example stacks in containers on three hosts: each is deployed, comes up whole, does what it is for as far as what stands in
 * for its images can, and goes without a trace. A few of them here; all of them by `npm run test:stacks` (docs/stacks.md).
 */

const QUICK = ["backup.yml", "rabbitmq/stack.yml", "registry.yml"];
/** STACKS=all, or the beginnings of their names: STACKS="vault n8n". */
const CHOSEN = (process.env["STACKS"] ?? QUICK.join(" ")).split(" ");
const FILES = STACK_FILES.filter((file) => CHOSEN.some((word) => word === "all" || file.startsWith(word)));
/** Deployed by `shoal stack deploy`; the others by the stock CLI. */
const BY_SHOAL = ["n8n.yml", "registry.yml", "voting-app.yml", "wordpress/stack.yml", "vault/stack.yml"];

let lab: StackLab;

beforeAll(async () => {
  lab = await StackLab.up("stacks");
});
afterAll(() => lab?.[Symbol.asyncDispose]());

const curl = async (...args: string[]) =>
  (await lab.swarm.exec("client", "curl", "-sS", "--max-time", "5", ...args)).stdout;
const at = (host: string, port: number, path = "/") => `http://${lab.swarm.ip(host)}:${port}${path}`;
const sorted = (texts: readonly string[]) => texts.toSorted();
const hostnames = async (stack: DeployedStack, service: string) =>
  sorted(await Promise.all((await stack.containers(service)).map((one) => stack.inside(one, "hostname"))));
const hostsOf = async (stack: DeployedStack, service: string) =>
  sorted((await stack.containers(service)).map(({ host }) => host));

/** What is one stack's own. */
const OWN: Readonly<Record<string, (stack: DeployedStack) => Promise<void>>> = {
  "voting-app.yml": async () => {
    await curl(
      "-f",
      "-o",
      "/dev/null",
      "-H",
      "Cookie: voter_id=a0000000000000aa",
      "-d",
      "vote=a",
      at("2", 5000),
    );
    await eventually(30_000, "the vote is counted", async () => {
      expect(JSON.parse(await curl(at("3", 5001, "/api/votes")))).toMatchObject({ a: 1, b: 0 });
      return true;
    });
  },
  "redis-sentinel.yml": async (stack) => {
    await eventually(60_000, "the sentinels know each other", async () =>
      (await stack.inOne("sentinel", "redis-cli", "-p", "26379", "info", "sentinel")).includes("sentinels=3"),
    );
    await eventually(20_000, "both replicas follow", async () =>
      (await stack.inOne("primary", "redis-cli", "info", "replication")).includes("connected_slaves:2"),
    );
    await stack.inOne("primary", "redis-cli", "set", "key", "value");
    await eventually(10_000, "a replica has the key", async () =>
      (await stack.inOne("replica", "redis-cli", "get", "key")).includes("value"),
    );
  },
  "minio.yml": async (stack) => {
    expect(await hostnames(stack, "minio")).toEqual(["minio1", "minio2", "minio3", "minio4"]);
    expect(await stack.inOne("minio", "reach", "s3", "9000")).toBe("reached s3:9000");
  },
  "mongodb/stack.yml": async (stack) => {
    expect(await hostsOf(stack, "mongo")).toEqual(["1", "2", "3"]);
    // A machine that may not raise its own limit gives that one.
    const own = (
      await lab.swarm.exec("1", "prlimit", "--nofile", "--noheadings", "--output=HARD")
    ).stdout.trim();
    expect(["64000", own]).toContain(await stack.inOne("mongo", "sh", "-c", "ulimit -n"));
    expect(await lab.swarm.docker("1", "service", "logs", "--raw", "mongodb_init")).toBe(
      "reached tasks.mongo:27017",
    );
  },
  "elasticsearch.yml": async (stack) => {
    const all = await Promise.all((await stack.containers("es")).map((one) => stack.inside(one, "env")));
    const names = all.map((env) => /^node\.name=.*$/m.exec(env)?.[0] ?? "");
    expect(sorted(names)).toEqual(["node.name=es1", "node.name=es2", "node.name=es3"]);
  },
  "rabbitmq/stack.yml": async (stack) => {
    const nodes = lab.swarm.lab.hosts.map((host) => `rabbit-${lab.swarm.lab.name}-${host}`);
    expect(await hostnames(stack, "rabbit")).toEqual(nodes);
  },
  "gitlab.yml": async (stack) => {
    expect(await hostsOf(stack, "gitlab")).toEqual(["2"]);
    expect(await stack.inOne("gitlab", "hostname")).toBe("git.example.org");
  },
  "traefik.yml": async (stack) => {
    const services = "http://engine/services";
    const seen = JSON.parse(
      await stack.inOne("proxy", "curl", "-s", "--unix-socket", "/var/run/docker.sock", services),
    );
    expect(seen.map((one: { Spec: { Name: string } }) => one.Spec.Name).sort()).toEqual([
      "traefik_proxy",
      "traefik_whoami",
    ]);
  },
  "portainer.yml": async (stack) => {
    expect(await hostsOf(stack, "agent")).toEqual(["1", "2", "3"]);
    expect(
      await stack.inOne("agent", "curl", "-s", "--unix-socket", "/var/run/docker.sock", "http://e/_ping"),
    ).toBe("OK");
  },
  "keycloak/stack.yml": async (stack) => {
    expect(await stack.inOne("keycloak", "grep", "ldap.example.org", "/etc/hosts")).toMatch(
      /^192\.0\.2\.10\s/,
    );
    const env = "SELECT 1 FROM pg_database WHERE datname = 'keycloak'";
    expect(
      await stack.inOne("postgres", "sh", "-c", `psql -U $POSTGRES_USER -d postgres -Atc "${env}"`),
    ).toBe("1");
  },
  "mattermost.yml": async (stack) => {
    const [app] = await stack.containers("app");
    const status = await stack.inside(app!, "sh", "-c", "grep -h ^Uid: /proc/[0-9]*/status");
    expect(status).toContain("2000");
  },
  "backup.yml": async () => {
    const said = await lab.swarm.docker("1", "service", "logs", "--raw", "backup_snapshot");
    expect(said.split("\n")).toEqual(Array(3).fill("saw /data"));
  },
  "gitea.yml": async (stack) => {
    expect(await stack.inOne("gitea", "cat", "/etc/timezone")).toBe("Etc/UTC");
    expect(await stack.inOne("gitea", "cat", "/etc/resolv.conf")).toContain("search example.org");
  },
};

describe.each(FILES)("%s", (file) => {
  test("comes up, works, and goes", async () => {
    const stack = await lab.deploy(file, BY_SHOAL.includes(file) ? "shoal" : "docker");
    try {
      await stack.converged();
      await stack.portsAnswer();
      await stack.filesAreThere();
      await stack.mountsAreThere();
      await stack.checkedAreHealthy();
      await stack.namesResolve(exposedBy);
      await OWN[file]?.(stack);
    } finally {
      await stack.removed();
    }
  });
});
