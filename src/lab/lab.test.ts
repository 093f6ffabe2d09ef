import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { dockerEnv, onHost } from "./lab.ts";
import { hostPaths } from "./paths.ts";
import { endOf, livePid, processTree, waitUntil } from "./processes.ts";
import { addressOf, type LabRecord, newLab, readLab } from "./record.ts";

const lab: LabRecord = { name: "demo", index: 7, hosts: ["1", "2", "3"], uplink: false, settings: {} };
const folder = mkdtempSync(join(tmpdir(), "lab-"));

afterAll(() => rmSync(folder, { recursive: true }));

test("the last words of a program that broke say what broke it", () => {
  const stack = [
    "node:internal:1210",
    "  throw err;",
    "",
    "Error: Cannot find module '/x'",
    "    at f (x:1)",
    "}",
  ];
  expect(endOf(["{}", ...stack, "", "Node.js v20.20.2", ""].join("\n"))).toBe(
    "Error: Cannot find module '/x'",
  );
  expect(endOf("1\n2\nError: old\n3\n4\n")).toBe("Error: old\n3\n4");
});

describe("a lab's record", () => {
  test("gives every host an address in the lab's own subnet", () => {
    expect(["1", "3", "client"].map((host) => addressOf(lab, host))).toEqual([
      "172.31.7.1",
      "172.31.7.3",
      "172.31.7.200",
    ]);
    expect(addressOf({ ...lab, images: "/x" }, "registry")).toBe("172.31.7.250");
  });

  test("a host that is not there is named, with those that are", () => {
    expect(() => addressOf(lab, "4")).toThrow("lab demo has no host 4: it has 1, 2, 3, client");
    expect(() => addressOf(lab, "registry")).toThrow("has no host registry");
    expect(() => dockerEnv(lab, "client")).toThrow("lab demo has no docker host client");
    expect(() => readLab("t-never-made")).toThrow("no lab named t-never-made is up: see shoal lab ls");
  });

  test.each([
    [{ name: "Demo" }, "cannot name a lab Demo"],
    [{ name: "a/../b" }, "cannot name a lab"],
    [{ name: "seventeen-letters" }, "use up to 16 letters"],
    [{ hosts: 0 }, "--hosts must be from 1 to 50"],
    [{ hosts: 51 }, "--hosts must be from 1 to 50"],
    [{ hosts: 1.5 }, "--hosts must be from 1 to 50"],
  ])("refuses %j", (wrong, words) => {
    expect(() => newLab({ name: "t-record", hosts: 3, uplink: false, settings: {}, ...wrong })).toThrow(
      words,
    );
  });

  test("paths of sockets are short enough for a unix address (107 bytes)", () => {
    const { apiSocket, containerdSocket } = hostPaths("sixteen-letters-", "50");
    for (const path of [apiSocket, containerdSocket]) expect(path.length).toBeLessThan(100);
  });

  test("a command on a host is an argument list: nothing of it is read by a shell", () => {
    const argv = onHost(lab, "2", ["echo", "$(id); ls"]);
    expect(argv[0]).toBe("nsenter");
    expect(argv.slice(-2)).toEqual(["echo", "$(id); ls"]);
  });
});

describe("processes", () => {
  test("a pid file of another program's pid, or of none, names nobody", () => {
    const file = join(folder, "some.pid");
    expect(livePid(file, "anything")).toBeUndefined();
    writeFileSync(file, `${process.pid}\n`);
    expect(livePid(file, "no-such-word-in-my-command-line")).toBeUndefined();
    expect(livePid(file, "node")).toBe(process.pid);
    writeFileSync(file, "4194999\n");
    expect(livePid(file, "node")).toBeUndefined();
  });

  test("a tree that nobody marks is empty, and never holds this process", () => {
    expect(processTree(["/run/no-such-lab-anywhere/"])).toEqual([]);
    expect(processTree(["node"])).not.toContain(process.pid);
  });

  test("waiting ends with the condition, or with the sentence", async () => {
    const clock = new FakeClock();
    let looks = 0;
    const waited = waitUntil(clock, 1_000, "too late", () => ++looks > 3);
    await clock.advance(100);
    await waited;
    const late = expect(waitUntil(clock, 1_000, "too late", () => false)).rejects.toThrow("too late");
    await clock.advance(2_000);
    await late;
  });
});
