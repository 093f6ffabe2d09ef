import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ContainerConfig } from "../../src/runtime/container.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, type LayerFile, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode, type TestNode } from "../support/test-containers.ts";

const never = new AbortController().signal;
const ALL = { follow: false, stdout: true, stderr: true };

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image = "";

/** busybox, with accounts, and what a few of the tests look at. */
const FILES: LayerFile[] = [
  ...busyboxFiles(),
  ...["id", "env", "pwd", "stat", "mount", "unshare", "grep", "dmesg", "chown", "dd", "df"].map((name) => ({
    name: `bin/${name}`,
    link: "busybox",
  })),
  { name: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n" },
  {
    name: "etc/group",
    content: "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nextra:x:1002:app\nlate:x:1003:\n",
  },
];

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));
beforeEach(async () => {
  node = await openNode(containerd, registry, noVolumes);
  image = await node.put("box", await makeImage([FILES]));
});
afterEach(() => node.end());

/** Runs a container to its end: its exit code and output, standard error last. */
async function run(
  script: string | undefined,
  more: Partial<ContainerConfig> = {},
): Promise<{ code: number; out: string }> {
  const containers = node.containers();
  const config = node.config(more.image ?? image, script, more);
  await containers.create(config);
  await containers.start(config.id);
  const { exitCode } = await containers.wait(config.id, AbortSignal.timeout(20_000));
  const lines: [string, string][] = [];
  for await (const { stream, line } of containers.logs(config.id, ALL, never)) {
    lines.push([stream, Buffer.from(line).toString()]);
  }
  await containers.remove(config.id);
  const of = (wanted: string): string =>
    lines
      .filter(([stream]) => stream === wanted)
      .map(([, line]) => line)
      .join("");
  return { code: exitCode, out: (of("stdout") + of("stderr")).trim() };
}

describe("who and what process 1 is", () => {
  test("users and groups are the image's", async () => {
    const id = async (more: Partial<ContainerConfig>): Promise<string> =>
      (await run("id; echo $HOME", more)).out;
    expect(await id({})).toBe("uid=0(root) gid=0(root) groups=0(root),10(wheel)\n/root");
    expect(await id({ user: "app" })).toBe(
      "uid=1000(app) gid=1001(app) groups=10(wheel),1001(app),1002(extra)\n/home/app",
    );
    expect(await id({ user: "1000" })).toContain("groups=10(wheel),1001(app),1002(extra)");
    expect(await id({ user: "app:late" })).toMatch(/^uid=1000\(app\) gid=1003\(late\) groups=1003\(late\)$/m);
    expect(await id({ user: "4242:4343", groups: ["late", "77"] })).toMatch(
      /^uid=4242 gid=4343 groups=77,1003\(late\),4343/,
    );
    await expect(id({ user: "nobody-here" })).rejects.toMatchObject({
      kind: "invalid",
      message: "unable to find user nobody-here: no matching entries in passwd file",
    });
    await expect(id({ groups: ["nogroup"] })).rejects.toThrow("unable to find group nogroup");
    expect(node.leftovers()).toEqual([]);
  });

  test("user files are read through several layers, by no link out of the image", async () => {
    const secret = `${node.dir}/secret`;
    writeFileSync(secret, "evil:x:0:0::/:/bin/sh\n");
    const linked = await node.put(
      "linked",
      await makeImage([
        FILES,
        [
          { name: "etc/.wh.passwd", content: "" },
          { name: "etc/group", link: "/files/group" },
          { name: "etc/passwd", link: `/../../../..${secret}` },
          { name: "files" },
          { name: "files/group", content: "found:x:55:\n" },
        ],
      ]),
    );
    await expect(run("id", { image: linked, user: "evil" })).rejects.toThrow("unable to find user evil");
    await expect(run("id", { image: linked, user: "app" })).rejects.toThrow("unable to find user app");
    expect((await run("id", { image: linked, user: "7:found" })).out).toContain("gid=55(found)");
    expect(node.leftovers()).toEqual([]);
  });

  test("entrypoint, command, environment and folder follow Docker's rules", async () => {
    const rich = await node.put(
      "rich",
      await makeImage([FILES], {
        config: {
          Entrypoint: ["echo", "entry"],
          Cmd: ["cmd"],
          Env: ["PATH=/bin", "A=image", "B=image"],
          WorkingDir: "/made/here",
          User: "app",
        },
      }),
    );
    expect((await run(undefined, { image: rich })).out).toBe("entry cmd");
    expect((await run(undefined, { image: rich, args: ["mine"] })).out).toBe("entry mine");
    expect((await run(undefined, { image: rich, entrypoint: ["echo", "own"] })).out).toBe("own");
    expect((await run(undefined, { image: rich, entrypoint: ["pwd"] })).out).toBe("/made/here");
    const env = await run(undefined, {
      image: rich,
      entrypoint: ["env"],
      env: ["A=mine", "B", "C=c=d"],
      hostname: "h",
    });
    expect(new Set(env.out.split("\n"))).toEqual(
      new Set(["A=mine", "C=c=d", "HOME=/home/app", "HOSTNAME=h", "PATH=/bin"]),
    );
    expect(
      (await run("pwd; id -u", { image: rich, entrypoint: ["sh"], args: ["-c", "pwd; id -u"], dir: "/tmp" }))
        .out,
    ).toBe("/tmp\n1000");
    await expect(
      run(undefined, { image: await node.put("empty", await makeImage([FILES], { config: { Env: [] } })) }),
    ).rejects.toThrow("no command specified");
  });

  test("hostname, hosts and resolver are its own files", async () => {
    const more = {
      hostname: "web",
      hosts: [{ address: "10.1.2.3", names: ["web", "w"] }],
      dns: { nameservers: ["127.0.0.11"], search: ["a.b"], options: ["ndots:0"] },
    };
    const { out } = await run(
      "hostname; cat /etc/hostname /etc/resolv.conf; grep 10.1 /etc/hosts; echo x >>/etc/hosts",
      more,
    );
    expect(out.split("\n")).toEqual([
      "web",
      "web",
      "nameserver 127.0.0.11",
      "search a.b",
      "options ndots:0",
      "10.1.2.3\tweb w",
    ]);
  });

  test("an init is process 1 and passes the signal on", async () => {
    expect((await run("cat /proc/1/comm", { init: true })).out).toBe("docker-init");
    // As process 1 itself, sleep would take no notice of SIGTERM.
    const { containers } = node;
    const config = node.config(image, "exec sleep 100", { init: true });
    await containers().create(config);
    await containers().start(config.id);
    await containers().stop(config.id, { graceMs: 60_000 });
    expect(await containers().get(config.id)).toMatchObject({ exitCode: 143 });
  });

  test("a terminal gives one stream, and TERM", async () => {
    const { out } = await run("echo $TERM; echo e >&2; test -t 1 && test -t 0 && echo tty", {
      tty: true,
      openStdin: true,
    });
    expect(out.split(/\r?\n/)).toEqual(["xterm", "e", "tty"]);
  });

  test("open standard input stays open and silent", async () => {
    const { containers } = node;
    const config = node.config(image, "echo ready; read line; echo over", { openStdin: true });
    await containers().create(config);
    await containers().start(config.id);
    for await (const { line } of containers().logs(config.id, { ...ALL, follow: true }, never)) {
      expect(Buffer.from(line).toString()).toBe("ready\n");
      break;
    }
    expect((await containers().get(config.id))?.status).toBe("running");
    expect((await run("read line; echo over")).out).toBe("over");
  });
});

describe("what a container may", () => {
  const status = async (more: Partial<ContainerConfig>, key: string): Promise<string> =>
    (await run(`grep ${key}: /proc/self/status`, more)).out.split(/\s+/)[1] ?? "";

  test("capabilities are Docker's, more or less as asked", async () => {
    expect(await status({}, "CapEff")).toBe("00000000a80425fb");
    expect(await status({ user: "app" }, "CapEff")).toBe("0000000000000000");
    expect(await status({ user: "app" }, "CapBnd")).toBe("00000000a80425fb");
    expect(await status({ capDrop: ["ALL"] }, "CapBnd")).toBe("0000000000000000");
    expect(await status({ capDrop: ["ALL"], capAdd: ["chown"] }, "CapEff")).toBe("0000000000000001");
    expect(await status({ capAdd: ["CAP_NET_ADMIN"], capDrop: ["MKNOD"] }, "CapEff")).toBe(
      "00000000a00435fb",
    );
    await expect(run("exit 0", { capAdd: ["FLYING"] })).rejects.toThrow(
      'invalid CapAdd: unknown capability: "CAP_FLYING"',
    );
  });

  test("system calls are filtered: no namespaces, no mounts, no kernel log", async () => {
    // Any user may make a user namespace where no filter is: the host shows it.
    execFileSync("unshare", ["--user", "true"]);
    expect(await status({}, "Seccomp")).toBe("2");
    for (const script of ["unshare -U true", "unshare -m true", "mount -t tmpfs x /tmp", "dmesg"]) {
      const { code, out } = await run(script);
      expect(out, script).toMatch(/Operation not permitted|permission denied/i);
      expect(code, script).not.toBe(0);
    }
    expect(await run("mount -t tmpfs x /tmp && echo mounted", { capAdd: ["SYS_ADMIN"] })).toEqual({
      code: 0,
      out: "mounted",
    });
    expect(
      (await run("touch /tmp/a && chown 5:6 /tmp/a && stat -c %u:%g /tmp/a; (sleep 0; echo forked)")).out,
    ).toBe("5:6\nforked");
  });

  test("the kernel's own files are hidden or read-only", async () => {
    const { out } = await run(
      "cat /proc/kcore | dd count=1 2>/dev/null; echo 1 >/proc/sys/kernel/panic; echo 1 >/proc/irq/default_smp_affinity; touch /sys/x; ls /sys/firmware",
    );
    expect(out.match(/Read-only file system/g)).toHaveLength(3);
    // "core" is there when the host has /proc/kcore.
    expect((await run("ls /dev")).out.split("\n").filter((name) => name !== "core")).toEqual(
      "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" "),
    );
    expect((await run("df -k /dev/shm")).out).toContain(" 65536 ");
    // Only the devices of the list can be opened, even those that root can make.
    expect((await run("/bin/busybox mknod /tmp/vda b 254 0 && cat /tmp/vda")).out).toContain(
      "Operation not permitted",
    );
  });

  test("limits are in the cgroup and in the process", async () => {
    const more = {
      resources: { memoryBytes: 64 << 20, nanoCpus: 500_000_000, pids: 20 },
      ulimits: [{ name: "nofile", soft: 100, hard: 200 }],
      sysctls: { "net.ipv4.ip_default_ttl": "44", "kernel.msgmax": "9000" },
      oomScoreAdj: 321,
    };
    const cat = [
      "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
      "/sys/fs/cgroup/pids/pids.max",
    ];
    const inside = "/proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/msgmax /proc/self/oom_score_adj";
    const { containers } = node;
    const config = node.config(image, `ulimit -Sn; ulimit -Hn; cat ${inside}; sleep 100`, more);
    await containers().create(config);
    await containers().start(config.id);
    const host = cat.map((path) => {
      const [, , , , controller = "", file = ""] = path.split("/");
      return execFileSync("cat", [`/sys/fs/cgroup/${controller}/shoal/${config.id}/${file}`], {
        encoding: "utf8",
      }).trim();
    });
    expect(host).toEqual([`${64 << 20}`, `${128 << 20}`, "50000", "20"]);
    const lines: string[] = [];
    for await (const { line } of containers().logs(config.id, { ...ALL, follow: true }, never)) {
      lines.push(Buffer.from(line).toString().trim());
      if (lines.length === 5) break;
    }
    expect(lines).toEqual(["100", "200", "44", "9000", "321"]);
  });

  test("a memory reservation is the cgroup's soft limit", async () => {
    const { containers } = node;
    const resources = { memoryBytes: 64 << 20, memoryReservationBytes: 32 << 20 };
    const config = node.config(image, "exec sleep 100", { resources });
    await containers().create(config);
    await containers().start(config.id);
    const file = `/sys/fs/cgroup/memory/shoal/${config.id}/memory.soft_limit_in_bytes`;
    expect(execFileSync("cat", [file], { encoding: "utf8" }).trim()).toBe(`${32 << 20}`);
  });

  test("a CPU quota and a number of processes are not gone over", async () => {
    const busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
    const throttled = ({ out }: { out: string }): number => Number(/nr_throttled (\d+)/.exec(out)?.[1]);
    const mounts = [
      { type: "bind", source: "/sys/fs/cgroup", target: "/sys/fs/cgroup", readOnly: true },
    ] as const;
    const own = `grep :cpu /proc/self/cgroup | (IFS=: read a b path; cat /sys/fs/cgroup/cpu$path/cpu.stat)`;
    const limited = await run(`${busy}; ${own}`, { mounts, resources: { nanoCpus: 50_000_000 } });
    expect(throttled(limited)).toBeGreaterThan(0);
    const { out } = await run("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all", {
      resources: { pids: 4 },
    });
    expect(out).toMatch(/can't fork|Resource temporarily unavailable/);
  });

  test("no-new-privileges, and a filter of one's own or none", async () => {
    const privileges = (seccomp: object, noNewPrivileges = false): Partial<ContainerConfig> => ({
      privileges: { noNewPrivileges, seccomp } as NonNullable<ContainerConfig["privileges"]>,
    });
    expect(await status({ privileges: { noNewPrivileges: true } }, "NoNewPrivs")).toBe("1");
    expect(await status({}, "NoNewPrivs")).toBe("0");
    const none = privileges({ mode: "unconfined", profile: "" });
    expect(await status(none, "Seccomp")).toBe("0");
    expect((await run("unshare -U true && echo made", none)).out).toBe("made");
    const profile = Buffer.from(
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
      }),
    ).toString("base64");
    const own = privileges({ mode: "custom", profile }, true);
    expect(await run("/bin/busybox mkdir /tmp/x", own)).toEqual({
      ...{ code: 1, out: expect.stringContaining("No space left on device") },
    });
    await expect(run("exit 0", privileges({ mode: "custom", profile: "e30x" }))).rejects.toMatchObject({
      ...{ kind: "invalid", message: expect.stringContaining("cannot use the seccomp profile") },
    });
    expect(node.leftovers()).toEqual([]);
  });

  test("with log driver none nothing is written, not even with a terminal, and output goes on", async () => {
    const { containers } = node;
    const much =
      "i=0; while [ $i -lt 3000 ]; do echo 01234567890123456789012345678901234567890; i=$((i+1)); done";
    for (const tty of [false, true]) {
      const config = node.config(image, `${much}; exec sleep 100`, { logDriver: "none", tty });
      await containers().create(config);
      await containers().start(config.id);
      const { exitCode } = await containers().exec(
        config.id,
        { args: ["sh", "-c", "until grep -q sleep /proc/1/cmdline; do /bin/busybox usleep 20000; done"] },
        AbortSignal.timeout(20_000),
      );
      expect(exitCode).toBe(0);
      const files = execFileSync("ls", [`${node.dir}/data/${config.id}`], { encoding: "utf8" }).split("\n");
      expect(files.filter((name) => name.includes("json.log"))).toEqual([]);
    }
  });

  test("a ulimit of no limit is none", async () => {
    const { out } = await run("ulimit -c", { ulimits: [{ name: "core", soft: -1, hard: -1 }] });
    expect(out).toBe("unlimited");
    await expect(run("exit 0", { ulimits: [{ name: "luck", soft: 1, hard: 1 }] })).rejects.toThrow(
      "invalid ulimit type: luck",
    );
  });
});

describe("what a container sees", () => {
  test("a read-only root takes no files, its mounts do", async () => {
    const { code, out } = await run("touch /x; touch /own/y && echo written; stat -c %a /own; df -k /own", {
      readOnly: true,
      mounts: [
        { type: "tmpfs", source: "", target: "/own", readOnly: false, sizeBytes: 1 << 20, mode: 0o750 },
      ],
    });
    expect(code).toBe(0);
    expect(out).toContain("written\n750\n");
    expect(out).toContain(" 1024 ");
    expect(out).toContain("touch: /x: Read-only file system");
  });

  test("bind mounts show the host's folders and files, read-only when asked", async () => {
    const source = `${node.dir}/source`;
    mkdirSync(source);
    writeFileSync(`${source}/file`, "from the host");
    const at = { type: "bind", source, target: "/in/here/", readOnly: false } as const;
    const { out } = await run("cat /in/here/file; touch /in/here/new; touch /ro/x; cat /etc/hosts", {
      mounts: [
        { ...at, target: "/ro", readOnly: true },
        at,
        { ...at, source: `${source}/file`, target: "/etc/hosts", readOnly: true },
      ],
    });
    expect(out).toBe("from the hostfrom the hosttouch: /ro/x: Read-only file system");
    expect(execFileSync("ls", [source], { encoding: "utf8" })).toBe("file\nnew\n");
    await expect(run("exit 0", { mounts: [{ ...at, source: "/no/such/path" }] })).rejects.toMatchObject({
      kind: "invalid",
      message: 'invalid mount config for type "bind": bind source path does not exist: /no/such/path',
    });
    expect(node.leftovers()).toEqual([]);
  });

  test("a bind mount's propagation lets later mounts through", async () => {
    const source = `${node.dir}/shared`;
    mkdirSync(`${source}/sub`, { recursive: true });
    execFileSync("mount", ["--bind", source, source]);
    execFileSync("mount", ["--make-shared", source]);
    try {
      const { containers } = node;
      const mounts = [
        { type: "bind", source, target: "/s", readOnly: false, propagation: "rslave" },
      ] as const;
      const config = node.config(
        image,
        "echo ready; while [ ! -e /s/sub/late ]; do sleep 0.05; done; echo seen",
        { mounts },
      );
      await containers().create(config);
      await containers().start(config.id);
      for await (const _ of containers().logs(config.id, { ...ALL, follow: true }, never)) break;
      execFileSync("mount", ["-t", "tmpfs", "late", `${source}/sub`]);
      writeFileSync(`${source}/sub/late`, "");
      expect(await containers().wait(config.id, AbortSignal.timeout(10_000))).toEqual({ exitCode: 0 });
    } finally {
      execFileSync("umount", ["--recursive", source]);
    }
  });

  test("its network is the pinned namespace", async () => {
    execFileSync("ip", ["-n", node.netns.split("/").at(-1)!, "link", "set", "lo", "up"]);
    execFileSync("ip", ["-n", node.netns.split("/").at(-1)!, "address", "add", "10.9.8.7/32", "dev", "lo"]);
    expect((await run("/bin/busybox ip address show dev lo")).out).toContain("10.9.8.7/32");
    // Low ports are for everybody, as with Docker.
    const { code } = await run("(nc -l -p 80 & sleep 0.2; kill %1)", { user: "app" });
    expect(code).toBe(0);
  });
});
