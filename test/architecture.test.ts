import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const src = join(root, "src");
const IMPORT_REGEXP =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;

interface Layer {
  imports: Set<string>;
  touches: Set<string>;
}

/** The rows of the table under "## Layers" in ARCHITECTURE.md. */
function readLayers(): Map<string, Layer> {
  const page = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const section = page.split(/^## Layers$/m)[1]?.split(/^## /m)[0] ?? "";
  const rows = section
    .split("\n")
    .filter((line) => /^\| [a-z]+ \|/.test(line) && !line.startsWith("| folder"));
  return new Map(
    rows.map((row) => {
      const [folder = "", imports = "", touches = ""] = row
        .split("|")
        .slice(1)
        .map((c) => c.trim());
      return [folder, { imports: new Set(imports.split(" ")), touches: new Set(touches.split(" ")) }];
    }),
  );
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(dir, name))
    .filter((path) => path.endsWith(".ts") && statSync(path).isFile());
}

const layers = readLayers();
const isTest = (path: string) => /\.(test|contract)\.ts$/.test(path);
/** Fakes may build on other folders' fakes and on what makes test values. */
const isFake = (path: string) => path.endsWith(".fake.ts");

/** What is wrong with one import, as a sentence, or undefined. */
function judge(file: string, specifier: string): string | undefined {
  const from = relative(src, file).split("/")[0] ?? "";
  const layer = layers.get(from);
  const where = relative(root, file);
  if (layer === undefined) return `${where}: folder ${from} has no row in ARCHITECTURE.md "Layers"`;
  if (!specifier.startsWith(".")) {
    if (isTest(file) || (isFake(file) && specifier === "fast-check")) return undefined;
    const need = specifier.startsWith("node:") ? "node" : `npm:${packageOf(specifier)}`;
    return layer.touches.has(need) ? undefined : `${where}: ${from} may not touch ${need}`;
  }
  const target = relative(src, resolve(dirname(file), specifier));
  const [to = "", ...inside] = target.split("/");
  if (to === ".." || to === from) return undefined;
  if (!layer.imports.has(to) && !(isTest(file) && (to === "lib" || to === "sys"))) {
    return `${where}: ${from} may not import ${to}`;
  }
  const door =
    to === "gen" || inside.join("/") === "index.ts" || ((isTest(file) || isFake(file)) && isFake(target));
  return door ? undefined : `${where}: enter ${to} through its index.ts, not ${inside.join("/")}`;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

test("every import is allowed by the layer table", () => {
  const wrong: string[] = [];
  let seen = 0;
  for (const file of filesOf(src)) {
    for (const match of readFileSync(file, "utf8").matchAll(IMPORT_REGEXP)) {
      seen++;
      const fault = judge(file, match[1] ?? match[2] ?? "");
      if (fault !== undefined) wrong.push(fault);
    }
  }
  expect(seen, "the test must see imports, or it proves nothing").toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});

test("the judge finds planted mistakes", () => {
  expect(judge(join(src, "lib/x.ts"), "../model/index.ts")).toContain("lib may not import model");
  expect(judge(join(src, "model/x.ts"), "node:fs")).toContain("may not touch node");
  expect(judge(join(src, "sys/x.ts"), "../lib/errors.ts")).toContain("through its index.ts");
  expect(judge(join(src, "nowhere/x.ts"), "../lib/index.ts")).toContain("no row");
});

test("table and tree name the same folders, and the table has no cycle", () => {
  const folders = readdirSync(src).filter((name) => filesOf(join(src, name)).length > 0);
  for (const folder of folders) expect(layers.has(folder), `${folder} needs a row`).toBe(true);
  const done = new Set<string>();
  for (let grew = true; grew; ) {
    grew = false;
    for (const [folder, layer] of layers) {
      if (!done.has(folder) && [...layer.imports].every((i) => i === "" || done.has(i))) {
        done.add(folder);
        grew = true;
      }
    }
  }
  expect([...layers.keys()].filter((f) => !done.has(f))).toEqual([]);
});

/** A file's imports within src, by their paths there; types count. */
function importsOf(file: string): string[] {
  const found = [...readFileSync(file, "utf8").matchAll(IMPORT_REGEXP)].map((m) => m[1] ?? m[2] ?? "");
  return found.filter((of) => of.startsWith(".")).map((of) => relative(src, resolve(dirname(file), of)));
}

/** What is left of a graph when whatever leads nowhere, and whatever nothing leads to, is taken away again and again. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const left = new Map(graph);
  const drop = (names: readonly string[]) => names.filter((name) => left.delete(name)).length > 0;
  for (let fewer = true; fewer; ) {
    const ends = [...left].filter(([, to]) => !to.some((name) => left.has(name))).map(([name]) => name);
    const led = new Set([...left.values()].flat());
    fewer = drop([...ends, ...[...left.keys()].filter((name) => !led.has(name))]);
  }
  return [...left.keys()];
}

test("no files import each other in a circle, not even types", () => {
  const files = filesOf(src).filter((file) => !isTest(file) && !isFake(file) && !file.includes("/gen/"));
  const graph = new Map(files.map((file) => [relative(src, file), importsOf(file)]));
  expect(graph.size).toBeGreaterThan(100);
  expect(circlesOf(graph)).toEqual([]);
  expect(
    circlesOf(
      new Map([
        ["a", ["b"]],
        ["b", ["c"]],
        ["c", ["b", "d"]],
        ["d", []],
      ]),
    ),
  ).toEqual(["b", "c"]);
});

test("every folder's index.ts opens by saying what the room is", () => {
  for (const folder of readdirSync(src).filter((f) => f !== "gen" && filesOf(join(src, f)).length > 0)) {
    const text = readFileSync(join(src, folder, "index.ts"), "utf8");
    expect(
      text.startsWith(`/**\n * ${folder}: `),
      `src/${folder}/index.ts must open with "${folder}: …"`,
    ).toBe(true);
  }
});

test("no source file is over 400 lines", () => {
  const long = filesOf(src)
    .filter((f) => !f.includes("/gen/") && !isTest(f))
    .filter((f) => readFileSync(f, "utf8").split("\n").length > 400);
  expect(long.map((f) => relative(root, f))).toEqual([]);
});
