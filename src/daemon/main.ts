import { readFileSync } from "node:fs";
import { join } from "node:path";
import { forbidCore } from "../kernel/index.ts";
import { messageOf } from "../lib/index.ts";
import { lineLog, systemClock, takePrecedence } from "../sys/index.ts";
import { readConfig, usage } from "./config.ts";
import { runDaemon } from "./index.ts";

/** A node that answers while its tasks take all the CPU they can get; containers have containerd's nice value, not ours. */
const NICE = -10;

/** `shoald`: reads settings, runs until SIGTERM or SIGINT. Exit code 0 after a clean stop, 1 with one sentence otherwise. */
async function main(argv: readonly string[]): Promise<void> {
  forbidCore();
  if (argv.includes("--help") || argv.includes("-h")) return void process.stdout.write(usage());
  const version = ownVersion();
  if (argv.includes("--version")) return void process.stdout.write(`shoald version ${version}\n`);
  const config = readConfig(argv);
  // Whoever read the log has gone: shoald goes on.
  process.stderr.on("error", () => undefined);
  const log = lineLog((line) => void process.stderr.write(line), systemClock, config["log-level"]);
  if (!takePrecedence(NICE)) log.debug("no precedence over other processes");
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      log.info("shoald stops", { signal: name });
      stop.abort(new Error(`${name} received`));
    });
  }
  await runDaemon(config, version, log, stop.signal);
}

function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
  return String((manifest as { version: unknown }).version);
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`shoald: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
