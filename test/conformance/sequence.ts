import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { wordsOf } from "../../src/wire/service-flags.fake.ts";

/** One line of a sequence: a command of the docker CLI on a node of the swarm (1 or 2), or a condition to wait for. */
export interface Step {
  readonly verb: "docker" | "wait";
  readonly node: 1 | 2;
  readonly text: string;
  readonly words: readonly string[];
  /** The file in stacks/ that is piped in. */
  readonly input?: string;
}

/** A short story told to both swarms. */
export interface Sequence {
  readonly name: string;
  readonly about: string;
  readonly steps: readonly Step[];
}

const FOLDER = join(import.meta.dirname, "sequences");

/** All sequences, in the order of their files' names. Throws on names that occur twice. */
export function readSequences(): Sequence[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));
  const all = files.sort().flatMap((file) => parseSequences(readFileSync(join(FOLDER, file), "utf8")));
  const twice = all.find(({ name }, i) => all.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined) throw new Error(`two sequences are named ${twice.name}`);
  return all;
}

/** Blocks set apart by empty lines; each begins with "# name: what it is about". Throws on a block that does not. */
export function parseSequences(text: string): Sequence[] {
  const blocks = text.split(/\n{2,}/).map((block) => block.trim());
  return blocks.filter(Boolean).map((block) => {
    const [head = "", ...lines] = block.split("\n");
    const [, name, about] = /^# ([a-z0-9-]+): (.+)$/.exec(head) ?? [];
    if (name === undefined || about === undefined) throw new Error(`not the head of a sequence: ${head}`);
    const steps = lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).map(parseStep);
    return { name, about, steps };
  });
}

function parseStep(line: string): Step {
  const [, node = "1", text = ""] = /^(?:([12]): )?(.*)$/.exec(line.trim()) ?? [];
  const [, condition] = /^wait until (.*)$/.exec(text) ?? [];
  const [, command, input] = /^(.*) < (\S+)$/.exec(text) ?? [];
  return {
    verb: condition === undefined ? "docker" : "wait",
    node: node === "2" ? 2 : 1,
    text,
    words: wordsOf(condition ?? command ?? text),
    ...(input !== undefined && { input }),
  };
}
