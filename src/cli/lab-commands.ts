import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  addressOf,
  allLabs,
  CLIENT,
  cut,
  dockerEnv,
  type HostParts,
  heal,
  hostPaths,
  killDaemon,
  killHost,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
  onHost,
  readLab,
  signalHost,
  startHost,
  stopDaemon,
} from "../lab/index.ts";
import { Fault } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";

interface LabCommand {
  readonly verb: string;
  readonly usage: string;
  readonly about: string;
  run(args: readonly string[]): Promise<number>;
}

const DEFAULT_NAME = "lab";
const parts: HostParts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../daemon/main.js")],
};

/** Splits off `--name N` wherever it stands before the first word that is not ours. */
function withLab(args: readonly string[]): { lab: LabRecord; rest: readonly string[] } {
  const named = args[0] === "--name";
  return { lab: readLab(named ? (args[1] ?? "") : DEFAULT_NAME), rest: named ? args.slice(2) : args };
}

/** The first `n` words after `--name N`; Fault "invalid" when one is missing. */
function words(
  args: readonly string[],
  ...names: string[]
): { lab: LabRecord; found: string[]; rest: readonly string[] } {
  const { lab, rest } = withLab(args);
  const missing = names.find((_, i) => rest[i] === undefined);
  if (missing !== undefined)
    throw new Fault("invalid", `say which ${missing}: hosts are ${[...lab.hosts, CLIENT].join(", ")}`);
  return { lab, found: rest.slice(0, names.length) as string[], rest: rest.slice(names.length) };
}

/** Hands the terminal to a program; its exit code. */
function handOver(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const [file = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: "inherit", env });
    child.on("error", (error) => reject(new Fault("internal", `cannot run ${file}: ${error.message}`)));
    child.on("close", (code, signal) => resolve(signal === null ? (code ?? 1) : 130));
  });
}

async function up(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: { type: "string", default: DEFAULT_NAME },
      hosts: { type: "string", default: "3" },
      swarm: { type: "boolean", default: false },
      images: { type: "string" },
      uplink: { type: "boolean", default: false },
      set: { type: "string", multiple: true, default: [] },
    },
  });
  if (process.getuid?.() !== 0)
    throw new Fault("forbidden", "cannot make a lab: run it as root (it makes network namespaces)");
  const settings = Object.fromEntries(
    values.set.map((s) => [s.split("=")[0], JSON.parse(s.slice(s.indexOf("=") + 1))]),
  );
  const { name, uplink, images } = values;
  const lab = newLab({
    name,
    hosts: Number(values.hosts),
    uplink,
    settings,
    ...(images !== undefined && { images }),
  });
  await labUp(lab, parts);
  if (values.swarm) await labSwarm(lab);
  process.stdout.write(describe(lab));
  return 0;
}

function describe(lab: LabRecord): string {
  const rows = [...lab.hosts, CLIENT].map((host) => {
    const socket = host === CLIENT ? "" : `unix://${hostPaths(lab.name, host).apiSocket}`;
    return `${lab.name}\t${host}\t${addressOf(lab, host)}\t${socket}`;
  });
  return `${rows.join("\n")}\n`;
}

async function overHost(
  args: readonly string[],
  act: (lab: LabRecord, host: string) => Promise<void> | void,
): Promise<number> {
  const { lab, found } = words(args, "host");
  await act(lab, found[0] ?? "");
  return 0;
}

export const labCommands: readonly LabCommand[] = [
  {
    verb: "up",
    usage: "up [--name N] [--hosts 3] [--swarm] [--images DIR] [--uplink]",
    about: "make a lab; --swarm joins its hosts, --images serves a registry folder, --uplink reaches out",
    run: up,
  },
  {
    verb: "down",
    usage: "down [--name N]",
    about: "take a lab away, with all it made",
    async run(args) {
      await labDown(withLab(args).lab, systemClock);
      return 0;
    },
  },
  {
    verb: "ls",
    usage: "ls",
    about: "the labs that are up: lab, host, address, API socket",
    async run() {
      process.stdout.write(allLabs().map(describe).join(""));
      return 0;
    },
  },
  {
    verb: "docker",
    usage: "docker [--name N] HOST ARGS…",
    about: "the stock docker CLI against a host",
    run(args) {
      const { lab, found, rest } = words(args, "host");
      return handOver(["docker", ...rest], { ...process.env, ...dockerEnv(lab, found[0] ?? "") });
    },
  },
  {
    verb: "exec",
    usage: "exec [--name N] HOST -- CMD…",
    about: "a command in a host's network",
    run(args) {
      const { lab, found, rest } = words(args, "host");
      const argv = rest[0] === "--" ? rest.slice(1) : rest;
      if (argv.length === 0) throw new Fault("invalid", "say which command: shoal lab exec HOST -- CMD…");
      return handOver(onHost(lab, found[0] ?? "", argv));
    },
  },
  {
    verb: "ip",
    usage: "ip [--name N] HOST",
    about: "a host's address",
    run: (args) => overHost(args, (lab, host) => void process.stdout.write(`${addressOf(lab, host)}\n`)),
  },
  {
    verb: "env",
    usage: "env [--name N] HOST",
    about: "what to eval so that docker speaks to a host",
    run: (args) =>
      overHost(
        args,
        (lab, host) => void process.stdout.write(`export DOCKER_HOST=${dockerEnv(lab, host).DOCKER_HOST}\n`),
      ),
  },
  {
    verb: "kill",
    usage: "kill [--name N] HOST [--daemon]",
    about: "a power cut; --daemon: only shoald, by SIGKILL",
    async run(args) {
      const { lab, found, rest } = words(args, "host");
      const [host = ""] = found;
      await (rest.includes("--daemon") ? killDaemon : killHost)(lab, host, systemClock);
      return 0;
    },
  },
  {
    verb: "stop",
    usage: "stop [--name N] HOST",
    about: "ends a host's shoald as a service manager would",
    run: (args) => overHost(args, (lab, host) => stopDaemon(lab, host, systemClock)),
  },
  {
    verb: "start",
    usage: "start [--name N] HOST",
    about: "start again what was killed or stopped",
    run: (args) => overHost(args, (lab, host) => startHost(lab, host, parts)),
  },
  {
    verb: "pause",
    usage: "pause [--name N] HOST",
    about: "freeze all of a host's processes",
    run: (args) => overHost(args, (lab, host) => signalHost(lab, host, "SIGSTOP")),
  },
  {
    verb: "resume",
    usage: "resume [--name N] HOST",
    about: "thaw them",
    run: (args) => overHost(args, (lab, host) => signalHost(lab, host, "SIGCONT")),
  },
  {
    verb: "cut",
    usage: "cut [--name N] HOST [HOST]",
    about: "cut a host off from all, or from one other",
    async run(args) {
      const { lab, found, rest } = words(args, "host");
      await cut(lab, found[0] ?? "", rest[0]);
      return 0;
    },
  },
  {
    verb: "heal",
    usage: "heal [--name N]",
    about: "undo every cut",
    async run(args) {
      await heal(withLab(args).lab);
      return 0;
    },
  },
];
