import { expect, test } from "vitest";
import type { ContainerConfig } from "./container.ts";
import { folderOf, hostsFileOf, resolvFileOf } from "./container-folder.ts";
import type { Machine } from "./machine.ts";
import { decodeSpec, encodeSpec, type SpecInput, specOf } from "./spec.ts";
import { capabilitiesOf } from "./spec-capabilities.ts";
import { execProcessOf, imageProcessOf } from "./spec-process.ts";

const machine: Machine = {
  arch: "x64",
  kernel: "6.1.0",
  cgroupVersion: 1,
  canLimitSwap: true,
  capabilities: capabilitiesOf("1ffffffffff"),
  hardLimits: { RLIMIT_CORE: -1 },
};

const config: ContainerConfig = {
  ...{ id: "c0ffee", name: "web.1", image: "web:1", labels: {}, args: ["serve"], env: ["A=1"], groups: [] },
  ...{ hostname: "web", tty: false, openStdin: false, readOnly: false, mounts: [], hosts: [] },
  dns: { nameservers: ["127.0.0.11"], search: [], options: ["ndots:0"] },
  ...{ capAdd: [], capDrop: [], sysctls: {}, ulimits: [], resources: { memoryBytes: 64 << 20 } },
  ...{ netns: "/run/netns/web", logMaxBytes: 0, logMaxFiles: 1 },
};

const input = (more: Partial<ContainerConfig> = {}, rest: Partial<SpecInput> = {}): SpecInput => ({
  config: { ...config, ...more },
  image: imageProcessOf({ WorkingDir: "/srv" }),
  command: ["web", "serve"],
  user: { uid: 0, gid: 0, additionalGids: [10] },
  mounts: [],
  folder: folderOf("/data", "/run", "c0ffee"),
  ...{ machine, init: undefined, ...rest },
});

test("a plain container's spec", async () => {
  const { linux, ...spec } = specOf(input());
  const { seccomp, ...rest } = linux;
  expect(seccomp?.defaultAction).toBe("SCMP_ACT_ERRNO");
  const text = `${JSON.stringify({ ...spec, linux: rest }, null, 2)}\n`;
  await expect(text).toMatchFileSnapshot("testdata/spec.json");
});

test("one that shares a network sees the other's names, and sets nothing of that network by itself", () => {
  const names = folderOf("/data", "/run", "other");
  const spec = specOf(
    input({ networkOf: "other", netns: "", sysctls: { "net.core.somaxconn": "9" } }, { names }),
  );
  expect(spec.linux.namespaces).toContainEqual({ type: "network", path: "/run/c0ffee/netns" });
  expect(spec.linux.sysctl).toEqual({ "net.core.somaxconn": "9" });
  const sources = spec.mounts.map(({ source }) => source).filter((path) => path.startsWith("/data"));
  expect(sources.sort()).toEqual(["hostname", "hosts", "resolv.conf"].map((name) => `/data/other/${name}`));
});

test("others than root have capabilities only to be had by what they execute", () => {
  const { capabilities } = specOf(input({}, { user: { uid: 5, gid: 5, additionalGids: [] } })).process;
  expect(Object.keys(capabilities)).toEqual(["bounding"]);
});

test("an init is process 1 and runs the command", () => {
  const spec = specOf(input({}, { init: "/usr/bin/tini-static" }));
  expect(spec.process.args).toEqual(["/sbin/docker-init", "--", "web", "serve"]);
  expect(spec.mounts.at(-1)?.source).toBe("/usr/bin/tini-static");
});

test("with unified cgroups a container has a cgroup namespace", () => {
  const types = (version: 1 | 2) =>
    specOf(input({}, { machine: { ...machine, cgroupVersion: version } })).linux.namespaces.map(
      ({ type }) => type,
    );
  expect(types(1)).not.toContain("cgroup");
  expect(types(2)).toContain("cgroup");
});

test("no limit is written as the number that means none, and only there", () => {
  const text = Buffer.from(
    encodeSpec(specOf(input({ ulimits: [{ name: "core", soft: -1, hard: -1 }], env: ['X="hard":-1'] }))),
  ).toString();
  expect(text).toContain('"soft":18446744073709551615,"hard":18446744073709551615');
  expect(JSON.parse(text).process.env).toContain('X="hard":-1');
});

test("a written spec is read back as it was, and so is its process", () => {
  const spec = specOf(
    input({
      ulimits: [{ name: "core", soft: -1, hard: -1 }],
      env: ['X="hard":18446744073709551615'],
      privileges: { noNewPrivileges: true, seccomp: { mode: "unconfined", profile: "" } },
    }),
  );
  expect(decodeSpec(encodeSpec(spec))).toEqual(JSON.parse(JSON.stringify(spec)));
  expect(spec.process.noNewPrivileges).toBe(true);
  expect(spec.linux.seccomp).toBeUndefined();
  expect(specOf(input()).process.noNewPrivileges).toBe(false);
});

test("a program beside process 1 is as that is, but for what it is told", () => {
  const own = specOf(input({ tty: true, env: ["A=1", "B=2"] })).process;
  const same = execProcessOf(own, { args: ["look"] }, own.user);
  expect(same).toEqual({ ...own, args: ["look"], terminal: false });
  const user = { uid: 5, gid: 5, additionalGids: [] };
  const other = execProcessOf(own, { args: ["look"], dir: "/d", env: ["A=9", "B", "C=3"] }, user);
  expect(other).toMatchObject({ user, cwd: "/d" });
  expect(other.env.filter((line) => /^[ABC]/.test(line))).toEqual(["A=9", "C=3"]);
  expect(Object.keys(other.capabilities)).toEqual(["bounding"]);
  expect(Object.keys(execProcessOf(other, { args: ["x"] }, own.user).capabilities)).toContain("effective");
});

test("hosts and resolver files", () => {
  const hosts = hostsFileOf([{ address: "10.0.0.2", names: ["web", "web.local"] }]);
  expect(hosts.split("\n").slice(-2)).toEqual(["10.0.0.2\tweb web.local", ""]);
  expect(hosts).toMatch(/^127\.0\.0\.1\tlocalhost\n::1\t/);
  expect(
    resolvFileOf({ nameservers: ["1.1.1.1", "8.8.8.8"], search: ["a", "b"], options: ["ndots:0"] }),
  ).toBe("nameserver 1.1.1.1\nnameserver 8.8.8.8\nsearch a b\noptions ndots:0\n");
});

test("a privileged container: every capability and device, no filter, nothing hidden, and the kernel's files to write", () => {
  const share = { isPrivileged: true, hostNamespaces: [], devices: [] } as const;
  const { linux, process, mounts } = specOf(input({ machine: share, capDrop: ["CHOWN"] }));
  expect(linux.seccomp).toBeUndefined();
  expect([linux.maskedPaths, linux.readonlyPaths]).toEqual([[], []]);
  expect(linux.resources.devices).toEqual([{ allow: true, access: "rwm" }]);
  expect(process.capabilities.bounding).toEqual(expect.arrayContaining(["CAP_SYS_ADMIN", "CAP_CHOWN"]));
  const sys = (of: typeof mounts) => of.find(({ destination }) => destination === "/sys")?.options;
  expect(sys(mounts)).not.toContain("ro");
  expect(sys(specOf(input({ machine: share, readOnly: true })).mounts)).toContain("ro");
  expect(sys(specOf(input()).mounts)).toContain("ro");
});

test("the host's namespaces instead of its own, and what goes with them", () => {
  const hostNamespaces = ["pid", "ipc", "uts"] as const;
  const spec = specOf(input({ machine: { isPrivileged: false, hostNamespaces, devices: [] } }));
  expect(spec.linux.namespaces.map(({ type }) => type)).toEqual(["mount", "network"]);
  expect(spec.hostname).toBeUndefined();
  const shm = spec.mounts.find(({ destination }) => destination === "/dev/shm");
  expect(shm).toMatchObject({ type: "bind", source: "/dev/shm" });
});

test("a device is there, and what it may be used for is allowed", () => {
  const device = {
    type: "c",
    path: "/dev/fuse",
    major: 10,
    minor: 229,
    fileMode: 0o600,
    uid: 0,
    gid: 0,
  } as const;
  const rule = { allow: true, type: "c", major: 10, minor: 229, access: "rw" };
  const { linux } = specOf(input({}, { devices: [{ device, rule }] }));
  expect(linux.devices).toEqual([device]);
  expect(linux.resources.devices.at(-1)).toEqual(rule);
  expect(specOf(input()).linux.devices).toBeUndefined();
});

test("its shared memory is as large as it is asked for", () => {
  const options = (shmBytes?: number) =>
    specOf(input(shmBytes === undefined ? {} : { shmBytes })).mounts.find((m) => m.destination === "/dev/shm")
      ?.options;
  expect(options(1 << 20)).toContain("size=1048576");
  expect(options()).toContain("size=67108864");
});
