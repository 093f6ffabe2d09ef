import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Mount } from "./container.ts";
import { folderOf } from "./container-folder.ts";
import { allMounts } from "./container-mounts.ts";
import { cleanPath, mountsOf, rootPropagationOf } from "./spec-mounts.ts";

const folder = folderOf("/data", "/run", "id");
const bind = (target: string, more: object = {}): Mount => ({
  ...({ type: "bind", source: `/host${target}`, target, readOnly: false } as const),
  ...more,
});

function mounted(mounts: readonly Mount[], init?: string): string[] {
  const resolved = mounts.map(({ type, source, target, readOnly }) => ({
    ...{ type, source, readOnly },
    target: cleanPath(target),
  }));
  return mountsOf({ config: { mounts, readOnly: false }, resolved, folder, init }).map(
    ({ destination, type, source, options }) => `${type} ${source} on ${destination} (${options.join(",")})`,
  );
}

describe("mounts", () => {
  test("without any asked for: the kernel's and the container's own files", () => {
    expect(mounted([])).toEqual([
      "proc proc on /proc (nosuid,noexec,nodev)",
      "tmpfs tmpfs on /dev (nosuid,strictatime,mode=755,size=65536k)",
      "devpts devpts on /dev/pts (nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5)",
      "sysfs sysfs on /sys (nosuid,noexec,nodev,ro)",
      "cgroup cgroup on /sys/fs/cgroup (ro,nosuid,noexec,nodev)",
      "mqueue mqueue on /dev/mqueue (nosuid,noexec,nodev)",
      "tmpfs shm on /dev/shm (nosuid,noexec,nodev,mode=1777,size=67108864)",
      "bind /data/id/resolv.conf on /etc/resolv.conf (rbind,rprivate)",
      "bind /data/id/hostname on /etc/hostname (rbind,rprivate)",
      "bind /data/id/hosts on /etc/hosts (rbind,rprivate)",
    ]);
  });

  test("an asked one takes the place of ours, and parents come first", () => {
    const all = mounted([
      bind("/a/b/c", { readOnly: true }),
      bind("/a/"),
      bind("/etc/hosts", { propagation: "rslave" }),
      { type: "tmpfs", source: "", target: "/dev/shm", readOnly: false, sizeBytes: 1024, mode: 0o700 },
    ]);
    expect(all.filter((line) => line.includes("/dev/shm"))).toEqual([
      "tmpfs tmpfs on /dev/shm (noexec,nosuid,nodev,rprivate,size=1024,mode=700)",
    ]);
    expect(all.slice(6).filter((line) => line.startsWith("bind"))).toEqual([
      "bind /host/a/ on /a (rbind,rprivate)",
      "bind /host/etc/hosts on /etc/hosts (rbind,rslave)",
      "bind /data/id/resolv.conf on /etc/resolv.conf (rbind,rprivate)",
      "bind /data/id/hostname on /etc/hostname (rbind,rprivate)",
      "bind /host/a/b/c on /a/b/c (rbind,rprivate,ro)",
    ]);
  });

  test("an own /dev takes the place of all that is in it", () => {
    expect(mounted([bind("/dev")]).filter((line) => line.includes(" on /dev"))).toEqual([
      "bind /host/dev on /dev (rbind,rprivate)",
    ]);
  });

  test("the init is a file of the host", () => {
    expect(mounted([], "/usr/bin/tini-static")).toContain(
      "bind /usr/bin/tini-static on /sbin/docker-init (bind,ro)",
    );
  });

  test("the root is as shared as its mounts", () => {
    expect(rootPropagationOf([bind("/a")])).toBeUndefined();
    expect(rootPropagationOf([bind("/a", { propagation: "rslave" })])).toBe("rslave");
    expect(
      rootPropagationOf([bind("/a", { propagation: "slave" }), bind("/b", { propagation: "rshared" })]),
    ).toBe("shared");
  });
});

describe("what is asked for", () => {
  test("the image's volumes come where nothing else does", () => {
    const all = allMounts([bind("/data/")], ["/data", "/more/", "/"]);
    expect(all.map(({ type, target }) => `${type} ${target}`)).toEqual(["bind /data/", "volume /more"]);
  });

  test.each([
    [[bind("/a"), bind("//a/./")], "Duplicate mount point: /a"],
    [[bind("a")], "invalid mount config: mount path must be absolute: a"],
    [[bind("/..")], "invalid mount config: destination can't be '/'"],
  ])("%j is refused", (mounts, message) => {
    expect(() => allMounts(mounts, [])).toThrow(message);
  });

  test("a clean path is absolute, has no dots, and stays as it is", () => {
    const part = fc.constantFrom("a", "b", ".", "..", "");
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const clean = cleanPath(parts.join("/"));
        expect(clean).toMatch(/^\/$|^(\/[ab])+$/);
        expect(cleanPath(clean)).toBe(clean);
      }),
    );
  });
});
