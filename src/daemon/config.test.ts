import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig, usage } from "./config.ts";

function fileOf(settings: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), "shoal-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "shoald.json");
  writeFileSync(path, typeof settings === "string" ? settings : JSON.stringify(settings));
  return path;
}

test("flags win over the file, the file over defaults", () => {
  const file = fileOf({ "data-root": "/from/file", "exec-root": "/from/file", labels: ["a=1"] });
  const config = readConfig(["--config", file, "--data-root", "/from/flag"]);
  expect(config["data-root"]).toBe("/from/flag");
  expect(config["exec-root"]).toBe("/from/file");
  expect(config.labels).toEqual(["a=1"]);
  expect(config["containerd-namespace"]).toBe("shoal");
});

test("lists may be said several times, numbers are numbers", () => {
  const config = readConfig(["--labels", "a=1", "--labels", "b=2", "--default-addr-pool-size", "26"]);
  expect(config.labels).toEqual(["a=1", "b=2"]);
  expect(config["default-addr-pool-size"]).toBe(26);
});

test("images of tasks go after a time and when the disk is full, or not at all", () => {
  const gc = (...argv: string[]) => {
    const { "image-gc-age": age, "image-gc-disk": disk } = readConfig(argv);
    return [age, disk];
  };
  const DAY = 86_400_000;
  expect(gc()).toEqual([7 * DAY, { above: 85, downTo: 80 }]);
  expect(gc("--image-gc-age", "36h", "--image-gc-disk", "95:90")).toEqual([
    1.5 * DAY,
    { above: 95, downTo: 90 },
  ]);
  expect(gc("--image-gc-age", "off", "--image-gc-disk", "off")).toEqual(["off", "off"]);
  for (const words of ["80:85", "101:80", "85", "85:0", "a:b"])
    expect(() => gc("--image-gc-disk", words)).toThrow(
      "cannot use setting image-gc-disk: must be two percents",
    );
  for (const words of ["7", "0h", "7 days", ""])
    expect(() => gc("--image-gc-age", words)).toThrow(
      "cannot use setting image-gc-age: must be hours or days",
    );
});

test.each([
  [["--gateway-subnet", "nonsense"], "cannot use setting gateway-subnet: must be a CIDR"],
  [["--kernel-tag", "toolong"], "cannot use setting kernel-tag"],
  [["--balancer", "haproxy"], "cannot use setting balancer"],
  [["--no-such-flag"], "cannot read the flags"],
  [["--config", "/no/such/file"], "cannot read /no/such/file: no such file"],
  [["--default-addr-pool-size", "x"], "cannot use setting default-addr-pool-size"],
  [
    ["--node-generic-resources", "gpu"],
    "cannot use setting node-generic-resources: could not parse GenericResource: incorrect term gpu, missing '=' or malformed expression",
  ],
  [["--dns", "example.org"], "cannot use setting dns.0: must be an IPv4 address"],
])("%j is refused with a sentence", (argv, sentence) => {
  expect(() => readConfig(argv)).toThrow(sentence);
});

test("an unknown word in the file is refused, and so is a broken file", () => {
  expect(() => readConfig(["--config", fileOf({ "data-rooot": "/x" })])).toThrow("data-rooot");
  expect(() => readConfig(["--config", fileOf("{")])).toThrow("cannot read");
});

test("usage names every setting", () => {
  expect(usage()).toContain("--registry-mirrors");
  expect(usage()).toContain("(may be repeated)");
});
