import { exec } from "../../src/sys/index.ts";

/** The flags that the docker CLI of this machine has for services: Debian 12's lacks the newest. */
const help = await Promise.all(
  ["create", "update"].map((verb) => exec(["docker", "service", verb, "--help"])),
);
const known = new Set(help.flatMap(({ stdout }) => stdout.match(/--[a-z-]+/g) ?? []));

export function cliKnows(flag: string): boolean {
  return known.has(flag);
}

/** A line of flags without those, and their values, that the CLI does not have. */
export function sayable(line: string): string {
  return line.replace(/(--[a-z-]+)(?:=\S+| (?!-)\S+)?/g, (words, flag: string) =>
    cliKnows(flag) ? words : "",
  );
}
