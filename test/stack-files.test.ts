import { expect, test } from "vitest";
import { StackCluster } from "./support/stack-cluster.ts";
import { STACK_FILES } from "./support/stack-files.ts";

/*
 * Stack files after those that people run: what Docker's CLI makes of each is what ours makes, and each can take over from the
 * other. Both speak to the real API over a store in memory.
 */

interface Ref {
  readonly ID: string;
  readonly Id: string;
  readonly Name: string;
}

const byName = <T extends { Name: string }>(all: readonly T[]): T[] =>
  all.toSorted((a, b) => (a.Name < b.Name ? -1 : 1));

/** All that a stack made, without ids, times, and the versions that ours puts to names of secrets and configs. */
async function made(cluster: StackCluster): Promise<unknown> {
  const networks: Ref[] = await cluster.get("/networks");
  const names = new Map(networks.map(({ Id, Name }) => [Id, Name]));
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === "string")
      return (names.get(value) ?? value).replace(/(_[a-z_]+)-[0-9a-f]{12}$/, "$1");
    if (typeof value !== "object" || value === null) return value;
    const kept = Object.entries(value).filter(
      ([key]) => !/^(SecretID|ConfigID|shoal\.stack\.\w+)$/.test(key),
    );
    return Object.fromEntries(kept.map(([key, one]) => [key, plain(one)]));
  };
  const specs = async (path: string) =>
    byName((await cluster.get(path)).map((one: { Spec: Ref }) => one.Spec));
  const own = networks.filter(
    (one) => !["ingress", "bridge", "host", "none", "docker_gwbridge"].includes(one.Name),
  );
  return plain({
    services: await specs("/services"),
    secrets: await specs("/secrets"),
    configs: await specs("/configs"),
    networks: byName(own).map(({ Id: _, ...rest }) => ({
      ...rest,
      Created: "",
      IPAM: "",
      Peers: "",
      Containers: "",
      Options: "",
    })),
  });
}

test("there are stacks after those that people run", () => {
  expect(STACK_FILES.length).toBeGreaterThanOrEqual(25);
});

test.each(STACK_FILES)("%s: docker stack deploy and shoal stack deploy make the same of it", async (file) => {
  const [theirs, ours] = await Promise.all([StackCluster.open(), StackCluster.open()]);
  try {
    const [docker, shoal] = await Promise.all([
      theirs.docker("stack", "deploy", "--detach=true", "-c", file, "app"),
      ours.shoal("deploy", "--detach", "-f", file, "app"),
    ]);
    expect(docker.code, docker.err).toBe(0);
    expect(shoal.code, shoal.err).toBe(0);
    expect(await made(ours)).toEqual(await made(theirs));

    const again = await ours.shoal("plan", "-f", file, "app");
    expect(again.out, "what was deployed needs no change").toMatch(
      /^stack app: 0 to create, 0 to update, 0 to remove/,
    );
    const over = await theirs.shoal("plan", "-f", file, "app");
    const changes = over.out
      .split("\n")
      .filter((line) => /^ {4}\S/.test(line) && !/^ {4}(secrets|configs|restarts|after) /.test(line));
    expect(
      changes,
      "a stack of Docker's is taken over: only versions of secrets and configs are new",
    ).toEqual([]);
    const back = await ours.docker("stack", "services", "--format", "{{.Name}}", "app");
    expect(back.out.trim().split("\n").sort()).toEqual(
      (await ours.get("/services")).map((s: { Spec: Ref }) => s.Spec.Name).sort(),
    );
  } finally {
    await Promise.all([theirs.close(), ours.close()]);
  }
});
