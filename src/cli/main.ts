import { messageOf } from "../lib/index.ts";
import { labCommands } from "./index.ts";

/** `shoal <noun> <verb>`: today `shoal lab …` only; everything about a swarm is said with the docker CLI. */
async function main(argv: readonly string[]): Promise<number> {
  const [noun, verb, ...args] = argv;
  if (noun !== "lab") return usage(noun === undefined || noun === "help" || noun === "--help");
  const command = labCommands.find((c) => c.verb === verb);
  if (command === undefined) return usage(verb === undefined || verb === "--help");
  return command.run(args);
}

function usage(asked: boolean): number {
  const lines = labCommands.map((c) => `  shoal lab ${c.usage.padEnd(62)} ${c.about}`);
  const text = `Usage: shoal lab VERB …\n\nA swarm on this machine: hosts are network namespaces.\n\n${lines.join("\n")}\n`;
  (asked ? process.stdout : process.stderr).write(text);
  return asked ? 0 : 2;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`shoal: ${messageOf(error)}\n`);
    process.exitCode = 1;
  },
);
