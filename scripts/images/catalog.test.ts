import { expect, test } from "vitest";
import { VOTING_APP } from "../voting-app.ts";
import { CATALOG } from "./catalog.ts";
import { isNeeded, sourcesIn } from "./debian.ts";
import { isDebianLayer } from "./debian-layers.ts";
import { librariesIn } from "./staging.ts";

test("every image that is not our own says what it stands in for", () => {
  for (const { repository, tag, config } of CATALOG.filter(
    (image) => !image.repository.startsWith("shoal/"),
  )) {
    expect(config.Labels).toEqual({ "io.shoal.stands-in-for": `docker.io/${repository}:${tag}` });
  }
});

test("images for tests alone need no Debian archive", () => {
  const layers = CATALOG.filter((image) => image.forTests).flatMap((image) => image.layers);
  expect(layers.length).toBeGreaterThan(0);
  expect(layers.filter(isDebianLayer)).toEqual([]);
});

test("every image the demo names is there", () => {
  const creates = VOTING_APP.filter((words) => words.startsWith("service create "));
  const references = creates.map((words) => words.split(" ").at(-1) ?? "");
  expect(references.length).toBe(5);
  const names = CATALOG.map(({ repository, tag }) => `${repository}:${tag}`);
  for (const reference of references) {
    const [name = "", tag = "latest"] = reference.split(":");
    expect(names).toContain(`${name.includes("/") ? name : `library/${name}`}:${tag}`);
  }
});

test("sources are Debian's own of the machine's suite, each once", () => {
  const targets = [
    "http://archive.example/debian/ bookworm main Debian",
    "http://archive.example/debian/ bookworm main Debian",
    "http://archive.example/debian/ bookworm-updates main Debian",
    "http://archive.example/debian/ bookworm contrib Debian",
    "http://archive.example/debian/ trixie main Debian",
    "https://download.docker.com/linux/debian/ bookworm stable Docker",
    "",
  ].join("\n");
  expect(sourcesIn(targets, "bookworm")).toEqual([
    "deb http://archive.example/debian/ bookworm main",
    "deb http://archive.example/debian/ bookworm-updates main",
  ]);
});

test("folders that are emptied stay, what lies in them goes", () => {
  expect(["usr/share/doc", "usr/share/doc/x", "tmp", "dev/null", "usr/bin/sh"].map(isNeeded)).toEqual([
    true,
    false,
    true,
    false,
    true,
  ]);
});

test("libraries are read from what ldd prints", () => {
  const ldd = [
    "\tlinux-vdso.so.1 (0x00007ffc1a5f2000)",
    "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f5e66720000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f5e66a90000)",
    "\tlibgone.so.1 => not found",
  ].join("\n");
  expect(librariesIn(ldd)).toEqual(["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"]);
});
