import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { FAULT_KINDS } from "../src/lib/index.ts";

const root = resolve(import.meta.dirname, "..");
const firstCells = (page: string): string[] =>
  [...readFileSync(resolve(root, page), "utf8").matchAll(/^\| ([@a-z][^ |]*) \|/gm)].map((m) => m[1] ?? "");

test("docs/errors.md lists exactly the kinds there are", () => {
  expect(firstCells("docs/errors.md").filter((c) => c !== "kind")).toEqual([...FAULT_KINDS]);
});

test("docs/dependencies.md has a sentence for exactly the runtime dependencies, fewer than a dozen", () => {
  const { dependencies } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const listed = firstCells("docs/dependencies.md").filter((c) => c !== "package");
  expect(new Set(listed)).toEqual(new Set(Object.keys(dependencies)));
  expect(listed.length).toBeLessThan(12);
});

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
  "bench/RESULTS.md",
];
const textOf = (page: string): string => readFileSync(join(root, page), "utf8");

test("every link between pages leads somewhere, and every file that a page names is there", () => {
  const broken = pages.flatMap((page) => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map((m) =>
      join(dirname(page), m[1] ?? ""),
    );
    const named = [...textOf(page).matchAll(/`((?:src|test|scripts|bench)\/[\w./-]+)`/g)].map(
      (m) => m[1] ?? "",
    );
    return [...links, ...named]
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`);
  });
  expect(broken).toEqual([]);
  expect(pages.length).toBeGreaterThan(10);
});

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (page: string): string[] =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, "")
      .replaceAll(" ", "-"),
  );

test("every link to a heading finds it", () => {
  const links = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)].map(([, path = "", anchor = ""]) => ({
      page,
      to: path === "" ? page : join(dirname(page), path),
      anchor,
    })),
  );
  const broken = links.filter(({ to, anchor }) => to.endsWith(".md") && !anchorsOf(to).includes(anchor));
  expect(broken).toEqual([]);
  expect(links.length).toBeGreaterThan(10);
});

test("the journey in ARCHITECTURE.md has nine steps, and each function it names is in the file it names", () => {
  const journey = textOf("ARCHITECTURE.md").split("## The journey of a service")[1]?.split("\n## ")[0] ?? "";
  expect(journey.match(/^\d\. /gm)).toHaveLength(9);
  const steps = [...journey.matchAll(/`(src\/[\w./-]+)` `(\w+)`/g)];
  expect(steps.length).toBeGreaterThanOrEqual(9);
  for (const [, file = "", name = ""] of steps) {
    expect(textOf(file), `${file} has no ${name}`).toMatch(new RegExp(`\\b${name}\\b`));
  }
});
