import { expect, test } from "vitest";
import { readHostThenWords, readUpWords, readWords, splitName } from "./words.ts";

test.each([
  [["ip", "1"], [], ["ip", "1"]],
  [["--name", "a", "ip"], ["--name", "a"], ["ip"]],
  [["--name=a", "ip"], ["--name=a"], ["ip"]],
  [["ip", "--name", "a"], [], ["ip", "--name", "a"]],
])("a leading name is split off %j", (args, named, rest) => {
  expect(splitName(args)).toEqual({ named, rest });
});

test("a name that is missing is asked for", () => {
  expect(() => splitName(["--name"])).toThrow("say which lab: --name NAME");
});

test("up has defaults, and reads settings as JSON or as text", () => {
  expect(readUpWords([])).toEqual({
    name: "lab",
    hosts: 3,
    swarm: false,
    images: undefined,
    uplink: false,
    settings: {},
  });
  const words = [
    "--set",
    "log-level=debug",
    "--set",
    "mtu=1400",
    "--set",
    "labels=[1]",
    "--hosts",
    "5",
    "--swarm",
  ];
  expect(readUpWords(words)).toMatchObject({
    hosts: 5,
    swarm: true,
    settings: { "log-level": "debug", mtu: 1400, labels: [1] },
  });
});

test.each([
  [["--hosts", "three"], Number.NaN],
  [["--hosts", "1e1"], Number.NaN],
  [["--hosts", "007"], 7],
])("a number of hosts is digits: %j", (args, hosts) => {
  expect(readUpWords(args).hosts).toBe(hosts);
});

test.each([
  [() => readUpWords(["--set", "novalue"]), "cannot read --set novalue: write KEY=VALUE"],
  [() => readUpWords(["--colour"]), /^Unknown option '--colour'$/],
  [
    () => readWords(["--name", "t-never-made", "1"], { least: 1, most: 1 }),
    "no lab named t-never-made is up",
  ],
  [() => readWords(["--daemon"], { least: 0, most: 0 }), /^Unknown option '--daemon'$/],
  [() => readHostThenWords(["--name=t-never-made", "1"]), "no lab named t-never-made is up"],
])("wrong words get a sentence (%#)", (read, sentence) => {
  expect(read).toThrow(sentence);
});
