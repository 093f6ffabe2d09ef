import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandOf, envOf, imageProcessOf } from "./spec-process.ts";

describe("the command", () => {
  const image = { entrypoint: ["entry"], cmd: ["cmd", "x"] };

  test.each([
    ["the image's", {}, ["entry", "cmd", "x"]],
    ["own arguments after the image's entrypoint", { args: ["mine"] }, ["entry", "mine"]],
    ["an own entrypoint drops the image's command", { entrypoint: ["own"] }, ["own"]],
    ["both own", { entrypoint: ["own"], args: ["mine"] }, ["own", "mine"]],
    ["no arguments are none given", { args: [] }, ["entry", "cmd", "x"]],
    ["an empty entrypoint drops the image's alone", { entrypoint: [] }, ["cmd", "x"]],
  ])("%s", (_, config, expected) => {
    expect(commandOf(config, image)).toEqual(expected);
  });

  test("none at all is refused", () => {
    expect(() => commandOf({}, { entrypoint: [], cmd: [] })).toThrow("no command specified");
  });
});

describe("the environment", () => {
  const config = { env: [], hostname: "h", tty: false };

  test("has Docker's defaults, the image's, then the config's", () => {
    const env = envOf(
      { ...config, tty: true, env: ["A=2", "C"] },
      { env: ["A=1", "B=1", "C=1", "PATH=/bin"] },
    );
    expect(env).toEqual(["PATH=/bin", "HOSTNAME=h", "TERM=xterm", "A=2", "B=1"]);
  });

  test("names each variable once, and the last word counts", () => {
    const line = fc.tuple(fc.constantFrom("A", "B", "PATH", "HOSTNAME"), fc.option(fc.string()));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const env = envOf(
          { ...config, env: lines.map(([k, v]) => (v === null ? k : `${k}=${v}`)) },
          { env: [] },
        );
        const seen = new Map(env.map((text) => [text.split("=", 1)[0], text.slice(text.indexOf("=") + 1)]));
        expect(seen.size).toBe(env.length);
        for (const [name, value] of new Map(lines)) expect(seen.get(name)).toBe(value ?? undefined);
      }),
    );
  });
});

test("an image's config of wrong types is an empty one", () => {
  const image = imageProcessOf({ Env: "A=1", Cmd: null, Entrypoint: [1, "sh"], Volumes: null, User: 7 });
  expect(image).toEqual({
    env: [],
    entrypoint: ["sh"],
    cmd: [],
    dir: "",
    user: "",
    stopSignal: "",
    volumes: [],
  });
});
