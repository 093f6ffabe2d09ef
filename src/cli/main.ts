import { messageOf } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import {
  type LabCommand,
  labCommands,
  STACK_USAGE,
  splitName,
  stackCommand,
  TRACE_USAGE,
  traceCommand,
} from "./index.ts";

/** `shoal lab …`, `shoal stack …` and `shoal trace …`; everything else about a swarm is said with the docker CLI. */

const HELP = new Set(["help", "--help", "-h"]);
/** What a shell says of a program that was called wrongly. */
const MISUSED = 2;

const machine = {
  clock: systemClock,
  env: process.env,
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
};

async function main(argv: readonly string[]): Promise<number> {
  const [noun, ...words] = argv;
  if (noun === undefined || HELP.has(noun)) return say(overview());
  if (noun === "trace") {
    const asksHelp = words.length === 0 || HELP.has(words[0] ?? "");
    return asksHelp ? say(TRACE_USAGE) : traceCommand(words);
  }
  if (noun === "stack") {
    const asksHelp = words.length === 0 || words.some((word) => HELP.has(word));
    return asksHelp ? say(STACK_USAGE) : stackCommand(words, machine);
  }
  if (noun !== "lab") return misused(`there is no command ${noun}`, "shoal --help");
  const { named, rest } = splitName(words);
  const [verb, ...args] = rest;
  if (verb === undefined || HELP.has(verb)) return say(overview());
  const command = labCommands.find((c) => c.verb === verb);
  if (command === undefined) return misused(`there is no command lab ${verb}`, "shoal lab --help");
  if (args[0] !== undefined && HELP.has(args[0])) return say(helpOf(command));
  return command.run([...named, ...args]);
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function misused(what: string, help: string): number {
  process.stderr.write(`shoal: ${what}: see ${help}\n`);
  return MISUSED;
}

function overview(): string {
  const lines = labCommands.map(
    ({ verb, usage, about }) => `  ${`${verb} ${shortened(usage)}`.padEnd(34)}${about.split("\n")[0]}`,
  );
  return [
    "Usage: shoal trace CLIENT DESTINATION",
    "       shoal stack plan|deploy|diff|rm …",
    "       shoal lab VERB …",
    "",
    "`shoal stack --help`: stacks by the Compose Specification: what would change, and doing it.",
    "`shoal trace --help`: how a connection goes through this node, and where it would be dropped.",
    "",
    "A swarm on this machine: hosts 1, 2, 3, … and a client outside the swarm, each a network namespace.",
    "Labs have names; without --name it is `lab`.",
    "",
    ...lines,
    "",
    "`shoal lab VERB --help` says more of one.",
  ].join("\n");
}

/** The options that every command has, or that only its own help explains, left out. */
function shortened(usage: string): string {
  return usage.replace(/\[--name N\] ?/, "").replace(/ \[--images.*/, " …");
}

function helpOf({ verb, usage, about }: LabCommand): string {
  return `Usage: ${`shoal lab ${verb} ${usage}`.trim()}\n\n${about}`;
}

/** Who reads no further, as head(1), is told nothing; what was begun is done all the same. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`shoal: ${messageOf(error)}\n`);
    process.exitCode = 1;
  },
);
