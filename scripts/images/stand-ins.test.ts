import { expect, test } from "vitest";
import { imagesOfStacks } from "../../test/support/stack-files.ts";
import { exposedBy, STAND_INS } from "./stand-ins.ts";

test("every image that the example stacks name is there, and none that they do not", () => {
  const named = imagesOfStacks().map((image) => {
    const [name = "", tag = "latest"] = image.replace(/^[^/]+\.[^/]+\//, "").split(":");
    return `${name.includes("/") ? name : `library/${name}`}:${tag}`;
  });
  expect(STAND_INS.map(({ repository, tag }) => `${repository}:${tag}`).sort()).toEqual(
    [...new Set(named)].sort(),
  );
});

test("what stands in for an image says so, and listens where that would", () => {
  for (const { config } of STAND_INS)
    expect(Object.keys(config.Labels ?? {})).toContain("io.shoal.stands-in-for");
  expect(exposedBy("traefik:v3")).toEqual(["80", "443", "8080"]);
  expect(exposedBy("docker.io/grafana/promtail")).toEqual(["9080"]);
  expect(exposedBy("postgres:16")).toEqual(["5432"]);
});
