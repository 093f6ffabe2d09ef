import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import type { RestartRule, RunSpec } from "../model/index.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import { Engine } from "./engine.ts";
import { FakeContainerNetworks } from "./networks.fake.ts";
import type { RunRecord, SavedRuns } from "./run-record.ts";
import { aRunSpec } from "./run-spec.fake.ts";

/** Records in memory, as a disk would have them. */
class Disk implements SavedRuns {
  readonly records = new Map<string, RunRecord>();
  load = async () => [...this.records.values()];
  save = async (record: RunRecord) => void this.records.set(record.id, record);
  remove = async (id: string) => void this.records.delete(id);
}

/** Runs on, and ends by itself when it is told to stop. */
const POLITE = 'trap "exit 5" TERM; run';
const never = new AbortController().signal;
let clock: FakeClock;
let containers: FakeContainers;
let images: FakeImages;
let networks: FakeContainerNetworks;
let disk: Disk;
let engine: Engine;
let stop: AbortController;
let running: Promise<void>;

/** A daemon over what is there. */
async function boot(): Promise<void> {
  networks = new FakeContainerNetworks();
  const host = { name: "host-1", gateway: "172.18.0.1", dns: { nameservers: ["192.0.2.53"], search: [] } };
  engine = new Engine({
    ...{ containers, images, networks, saved: disk, host, clock },
    ...{ random: seededRandom(disk.records.size + 1), log: silentLog },
  });
  stop = new AbortController();
  await engine.adopt();
  running = engine.run(stop.signal);
}

async function shutDown(): Promise<void> {
  stop.abort();
  await running;
}

beforeEach(async () => {
  clock = new FakeClock();
  images = new FakeImages();
  images.publish("app:1", { Cmd: ["run"], ExposedPorts: { "8080/tcp": {} } });
  await images.pull("app:1");
  containers = new FakeContainers({ images, clock });
  disk = new Disk();
  await boot();
});
afterEach(shutDown);

const make = (over: Parameters<typeof aRunSpec>[0] = {}, name = "web"): Promise<string> =>
  engine.create(aRunSpec({ image: "app:1", ...over }), name);
const status = async (id: string) => (await containers.get(id))?.status;
const restart = (name: RestartRule["name"], most = 0): Partial<RunSpec> => ({ restart: { name, most } });

describe("a container", () => {
  test("is made, started, found on its network, stopped and removed", async () => {
    const id = await make({ script: POLITE, ports: [{ protocol: "tcp", target: 80, published: 8080 }] });
    expect([id.length, await status(id), networks.places.size]).toEqual([64, "created", 0]);
    expect(await engine.start(id)).toBe(true);
    expect(await engine.start(id)).toBe(false);
    expect(networks.places.get(id)?.ports).toMatchObject([{ published: 8080 }]);
    expect(containers.namesOf(id).hosts).toEqual([{ address: "172.17.0.2", names: [id.slice(0, 12)] }]);
    expect((await containers.get(id))?.config.netns).toBe(networks.netnsOf(id));
    expect(await engine.stop(id)).toBe(true);
    expect(await engine.stop(id)).toBe(false);
    expect([await status(id), networks.places.size]).toEqual(["stopped", 0]);
    await engine.remove(id, { force: false, volumes: false });
    expect([await status(id), disk.records.size]).toEqual([undefined, 0]);
  });

  test("that cannot be made leaves nothing", async () => {
    await make();
    await expect(make()).rejects.toMatchObject({ kind: "conflict" });
    await expect(make({ image: "nope:1" }, "bb")).rejects.toThrow("No such image: nope:1");
    await expect(make({ networks: [{ ref: "nope", aliases: [] }] }, "bb")).rejects.toThrow(
      "network nope not found",
    );
    await expect(make({}, "-bad")).rejects.toThrow("Invalid container name (-bad)");
    expect([disk.records.size, (await containers.list()).length]).toEqual([1, 1]);
  });

  test("without a name gets one that nobody has", async () => {
    const names = new Set<string>();
    for (let i = 0; i < 20; i++) names.add((await containers.get(await make({}, "")))?.name ?? "");
    expect(names.size).toBe(20);
    for (const name of names) expect(name).toMatch(/^[a-z]+_[a-z]+\d*$/);
  });

  test("whose port another has does not start, and holds nothing", async () => {
    const ports = [{ protocol: "tcp", target: 80, published: 8080 } as const];
    const [one, two] = [
      await make({ script: POLITE, ports }, "one"),
      await make({ script: POLITE, ports }, "two"),
    ];
    await engine.start(one);
    await expect(engine.start(two)).rejects.toThrow("port is already allocated");
    expect([await status(two), networks.places.size, disk.records.get(two)?.place]).toEqual([
      "created",
      1,
      undefined,
    ]);
    await engine.stop(one);
    expect(await engine.start(two)).toBe(true);
  });

  test("with all ports published gives each that it or its image exposes one", async () => {
    const id = await make({ script: POLITE, publishAll: true, exposed: ["53/udp"] });
    await engine.start(id);
    expect(networks.places.get(id)?.ports.map(({ target, protocol }) => `${target}/${protocol}`)).toEqual([
      "53/udp",
      "8080/tcp",
    ]);
  });

  test("on the host's network, or on none, has no place on ours", async () => {
    const host = await make({ script: POLITE, networkMode: "host", networks: [] }, "hh");
    const none = await make({ script: POLITE, networkMode: "none", networks: [] }, "nn");
    for (const id of [host, none]) await engine.start(id);
    expect(networks.places.size).toBe(0);
    expect((await containers.get(host))?.config).toMatchObject({ hostname: "host-1" });
    expect((await containers.get(host))?.config.netns).toBeUndefined();
    expect((await containers.get(none))?.config.netns).toBe("");
  });

  test("that shares another's network has that one's names, and nothing of the networks", async () => {
    const web = await make({ script: POLITE, domainname: "example" });
    const networkMode = `container:${web}`;
    const side = await make({ script: POLITE, networkMode, networks: [] }, "side");
    expect((await containers.get(side))?.config).toMatchObject({
      ...{ networkOf: web, netns: "", hostname: web.slice(0, 12) },
      sysctls: { "kernel.domainname": "example" },
    });
    await expect(engine.start(side)).rejects.toThrow("non running container: container web is created");
    await engine.start(web);
    await engine.start(side);
    expect([...networks.places.keys()]).toEqual([web]);
    await expect(engine.connect(side, { ref: "extra", aliases: [] })).rejects.toThrow(
      "container sharing network namespace with another container or host cannot be connected",
    );
    await engine.remove(web, { force: true, volumes: false });
    expect(await status(side)).toBe("running");
    await engine.stop(side);
    await expect(engine.start(side)).rejects.toThrow(`No such container: ${web}`);
    await expect(make({ networkMode: "container:gone", networks: [] }, "late")).rejects.toThrow(
      "No such container: gone",
    );
    expect(disk.records.size).toBe(1);
  });

  test("that shares another's network is tried again by its rule until the other runs", async () => {
    const web = await make({ script: POLITE });
    await engine.start(web);
    const shared = { networkMode: `container:${web}`, networks: [] };
    const side = await make({ script: POLITE, ...shared, ...restart("always") }, "side");
    await engine.start(side);
    await engine.stop(web);
    containers.exit(side, 1);
    await expect.poll(() => engine.isRestarting(side)).toBe(true);
    await clock.advance(100);
    await expect.poll(() => engine.isRestarting(side)).toBe(true);
    await engine.start(web);
    await expect
      .poll(async () => {
        await clock.advance(60_000);
        return status(side);
      })
      .toBe("running");
  });

  test("gets other limits and another rule; memory stays below what is set with swap", async () => {
    const id = await make({ script: POLITE });
    const limits = { memoryBytes: 8 << 20, memorySwapBytes: 16 << 20 };
    await engine.update(id, { restart: { name: "always", most: 0 }, limits });
    expect((await containers.get(id))?.config.resources).toMatchObject(limits);
    expect(engine.recordOf(id)?.spec.restart.name).toBe("always");
    await expect(engine.update(id, { limits: { memoryBytes: 32 << 20 } })).rejects.toThrow(
      "Memory limit should be smaller than already set memoryswap limit",
    );
    await engine.update(id, { limits: { memoryBytes: 32 << 20, memorySwapBytes: -1 } });
    const ofTask = "f".repeat(64);
    await containers.create({ ...(await containers.get(id))!.config, id: ofTask, name: "task" });
    await engine.update(ofTask, { limits: { pids: 7 } });
    await expect(engine.update(ofTask, { restart: { name: "no", most: 0 }, limits: {} })).rejects.toThrow(
      "it belongs to a task",
    );
  });

  test("reaches its host by a name, and is let into its machine as far as it asks", async () => {
    const limits = { memorySwapBytes: -1, cpuShares: 512, cpusetCpus: "0", cpusetMems: "" };
    const share = { isPrivileged: true, hostNamespaces: ["pid"], devices: [] } as const;
    const hosts = ["host-gateway up"];
    const id = await make({ script: POLITE, machine: { ...share, shmBytes: 4096, limits }, hosts });
    expect((await containers.get(id))?.config).toMatchObject({
      ...{ machine: share, shmBytes: 4096 },
      resources: { memorySwapBytes: -1, cpuShares: 512, cpusetCpus: "0" },
    });
    await engine.start(id);
    expect(containers.namesOf(id).hosts.at(-1)).toEqual({ address: "172.18.0.1", names: ["up"] });
  });

  test("that runs is removed by force only, and goes by itself when it was asked to", async () => {
    const id = await make({ script: POLITE });
    await engine.start(id);
    await expect(engine.remove(id, { force: false, volumes: false })).rejects.toThrow(
      'cannot remove container "/web": container is running: stop the container before removing or force remove',
    );
    await engine.remove(id, { force: true, volumes: true });
    const short = await make({ script: "exit 3", autoRemove: true });
    const code = engine.wait(short, "removed", never);
    await engine.start(short);
    expect(await code).toBe(3);
    await expect.poll(() => disk.records.size).toBe(0);
  });
});

test("one that is to go when it ends stays when it is restarted, and goes at its next end", async () => {
  const id = await make({ script: POLITE, autoRemove: true });
  await engine.start(id);
  await engine.restart(id);
  expect(await status(id)).toBe("running");
  await engine.stop(id);
  await expect.poll(() => status(id)).toBe(undefined);
});

test("one that is to go when it ends, and cannot be started, goes, and who waits for that is told", async () => {
  const spec = aRunSpec({ autoRemove: true });
  const id = await engine.create({ ...spec, container: { ...spec.container, args: ["nosuch"] } }, "web");
  const gone = engine.wait(id, "removed", never);
  await expect(engine.start(id)).rejects.toThrow("executable file not found");
  expect(await gone).toBe(0);
  expect([await status(id), networks.places.size]).toEqual([undefined, 0]);
});

describe("a wait", () => {
  test("for the next end does not take the last one for it", async () => {
    const id = await make({ script: "exit 4" });
    const first = engine.wait(id, "next-exit", never);
    await engine.start(id);
    expect(await first).toBe(4);
    expect(await engine.wait(id, "not-running", never)).toBe(4);
    const gone = new AbortController();
    const next = engine.wait(id, "next-exit", gone.signal);
    gone.abort(new Error("left"));
    await expect(next).rejects.toThrow("left");
  });
});

describe("a restart rule", () => {
  const runs = async (id: string): Promise<number> => engine.recordOf(id)?.restarts ?? -1;

  test("starts it anew, later each time, and as often as it may", async () => {
    const id = await make({ script: "exit 1", ...restart("on-failure", 3) });
    await engine.start(id);
    for (const [i, ms] of [100, 200, 400].entries()) {
      await expect.poll(() => engine.isRestarting(id)).toBe(true);
      await clock.advance(ms - 1);
      expect(await runs(id)).toBe(i);
      await clock.advance(1);
      await expect.poll(() => runs(id)).toBe(i + 1);
    }
    await expect.poll(() => engine.isRestarting(id)).toBe(false);
    expect(await status(id)).toBe("stopped");
  });

  test("does not undo what somebody did by hand", async () => {
    const id = await make({ script: POLITE, ...restart("always") });
    await engine.start(id);
    await engine.stop(id);
    expect([await status(id), engine.isRestarting(id)]).toEqual(["stopped", false]);
    await engine.start(id);
    containers.exit(id, 0);
    await expect.poll(() => engine.isRestarting(id)).toBe(true);
    expect(await engine.stop(id)).toBe(true);
    await clock.advance(1_000);
    expect([await status(id), engine.isRestarting(id)]).toEqual(["stopped", false]);
  });

  /** A container that is being started anew, and what lets that go on. */
  async function underWay(): Promise<{ id: string; goOn: () => void }> {
    const id = await make({ script: POLITE, ...restart("always") });
    await engine.start(id);
    let goOn = () => {};
    networks.held = new Promise((resolve) => {
      goOn = resolve;
    });
    containers.exit(id, 1);
    await expect.poll(() => engine.isRestarting(id)).toBe(true);
    await clock.advance(100);
    await expect.poll(() => runs(id)).toBe(1);
    return { id, goOn };
  }

  test("that starts it just now is weaker than a stop", async () => {
    const { id, goOn } = await underWay();
    const stopped = engine.stop(id);
    goOn();
    expect(await stopped).toBe(true);
    expect(await status(id)).toBe("stopped");
  });

  test("that starts it just now is quicker than a removal, which then needs force", async () => {
    const { id, goOn } = await underWay();
    const removed = expect(engine.remove(id, { force: false, volumes: false })).rejects.toThrow(
      "container is running",
    );
    goOn();
    await removed;
    expect(await status(id)).toBe("running");
  });

  test("is not for one that goes by itself", async () => {
    const id = await make({ script: POLITE, autoRemove: true });
    const change = { restart: { name: "always", most: 0 }, limits: {} } as const;
    await expect(engine.update(id, change)).rejects.toThrow("AutoRemove is enabled");
  });
});

describe("a daemon that comes back", () => {
  test("lets who runs keep its place, and takes its end for what it is", async () => {
    const id = await make({ script: POLITE });
    await engine.start(id);
    const place = networks.places.get(id);
    await shutDown();
    await boot();
    expect(networks.places.get(id)).toEqual(place);
    containers.exit(id, 0);
    await expect.poll(() => networks.places.size).toBe(0);
  });

  test.each([
    ["always", true, true],
    ["always", false, true],
    ["unless-stopped", true, false],
    ["unless-stopped", false, true],
    ["no", false, false],
  ] as const)("starts one of rule %s, stopped by hand: %s, or not: %s", async (name, byHand, starts) => {
    const id = await make({ script: POLITE, ...restart(name) });
    await engine.start(id);
    if (byHand) await engine.stop(id);
    await shutDown();
    if (!byHand) containers.exit(id, 0);
    await boot();
    if (starts) await expect.poll(() => status(id)).toBe("running");
    else expect(await status(id)).toBe("stopped");
  });

  test("forgets containers that are gone", async () => {
    const id = await make();
    await shutDown();
    await containers.remove(id);
    await boot();
    expect(disk.records.size).toBe(0);
  });
});

describe("networks", () => {
  test("hear of a running container's other name", async () => {
    const id = await make({ script: POLITE });
    await engine.start(id);
    await engine.rename(id, "another");
    expect(networks.names.get(id)).toBe("another");
  });

  test("are joined and left while it runs, and remembered for its next start", async () => {
    const id = await make({ script: POLITE });
    await engine.connect(id, { ref: "extra", aliases: ["db"] });
    await engine.start(id);
    const names = () => networks.places.get(id)?.endpoints.map(({ networkName }) => networkName);
    expect(names()).toEqual(["bridge", "extra"]);
    const ownAddresses = () => containers.namesOf(id).hosts.length;
    expect(ownAddresses()).toBe(2);
    await engine.disconnect(id, { id: "bridge", name: "bridge" });
    expect(names()).toEqual(["extra"]);
    // Its /etc/hosts and resolv.conf follow.
    expect(ownAddresses()).toBe(1);
    await engine.connect(id, { ref: "bridge", aliases: [] });
    expect(ownAddresses()).toBe(2);
    await engine.disconnect(id, { id: "bridge", name: "bridge" });
    await engine.restart(id);
    expect(names()).toEqual(["extra"]);
  });

  test("may all be taken away: it runs on, starts again and is known to a daemon that does", async () => {
    const id = await make({ script: POLITE });
    await engine.start(id);
    await engine.disconnect(id, { id: "bridge-id", name: "bridge" });
    await engine.restart(id);
    expect(networks.places.get(id)?.endpoints).toEqual([]);
    await shutDown();
    await boot();
    expect(networks.places.get(id)?.endpoints).toEqual([]);
    await engine.connect(id, { ref: "extra", aliases: [] });
    expect(networks.places.get(id)?.endpoints).toMatchObject([{ networkName: "extra" }]);
  });

  test("are not for a container that was made to have none", async () => {
    const id = await make({ script: POLITE, networkMode: "none", networks: [] });
    for (const start of [async () => false, () => engine.start(id)]) {
      await start();
      await expect(engine.connect(id, { ref: "extra", aliases: [] })).rejects.toThrow("private (none) mode");
    }
  });

  test("are remembered by name, whatever a user called them: another of that name takes the place of one that was removed", async () => {
    const remembered = () => engine.recordOf(id)?.networks.map(({ ref, aliases }) => [ref, ...aliases]);
    const id = await make({ script: POLITE, networks: [{ ref: "bridge-id", aliases: [] }] });
    expect(remembered()).toEqual([["bridge"]]);
    await engine.connect(id, { ref: "extra-id", aliases: ["db"] });
    expect(remembered()).toEqual([["bridge"], ["extra", "db"]]);
    await engine.connect(id, { ref: "extra", aliases: ["cache"] });
    expect(remembered()).toEqual([["bridge"], ["extra", "cache"]]);
    await engine.disconnect(id, { id: "extra-id", name: "extra" });
    expect(remembered()).toEqual([["bridge"]]);
    await engine.start(id);
    await engine.connect(id, { ref: "extra-id", aliases: ["db"] });
    expect(remembered()).toEqual([["bridge"], ["extra", "db"]]);
  });
});
