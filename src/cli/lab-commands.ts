import { spawn } from "node:child_process";
import { constants } from "node:os";
import {
  addressOf,
  allLabs,
  CLIENT,
  cut,
  dockerEnv,
  heal,
  hostPaths,
  killDaemon,
  killHost,
  type LabRecord,
  labDown,
  onHost,
  requirePlugged,
  signalHost,
  startHost,
  stopDaemon,
} from "../lab/index.ts";
import { Fault } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import { makeLab, parts } from "./lab-up.ts";
import { labTrace } from "./trace.ts";
import { readHostThenWords, readUpWords, readWords } from "./words.ts";

export interface LabCommand {
  readonly verb: string;
  /** The words after the verb. */
  readonly usage: string;
  readonly about: string;
  /** Does it; the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** Hands the terminal to a program, Ctrl-C too; its exit code, as a shell would tell it. */
function handOver(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const [file = "", ...args] = argv;
  const leaveToIt = () => undefined;
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, leaveToIt);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: "inherit", env });
    child.on("error", (error) => reject(new Fault("internal", `cannot run ${file}: ${error.message}`)));
    child.on("close", (code, signal) =>
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]),
    );
  });
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** A line for each host: lab, host, address, API socket. */
function describe(lab: LabRecord): string {
  const rows = [...lab.hosts, CLIENT].map((host) => {
    const socket = host === CLIENT ? [] : [`unix://${hostPaths(lab.name, host).apiSocket}`];
    return [lab.name, host, addressOf(lab, host), ...socket].join("\t");
  });
  return rows.join("\n");
}

/** A command about one host. */
function overHost(act: (lab: LabRecord, host: string) => Promise<void> | void): LabCommand["run"] {
  return async (args) => {
    const { lab, hosts } = readWords(args, { least: 1, most: 1 });
    await act(lab, hosts[0] ?? "");
    return 0;
  };
}

export const labCommands: readonly LabCommand[] = [
  {
    verb: "up",
    usage: "[--name N] [--hosts 3] [--swarm] [--images DIR|none] [--uplink] [--set KEY=VALUE]…",
    about: `make a lab, or nothing when it is interrupted
--swarm: begin a swarm on host 1 and join the others to it
--images: the registry folder that is served as docker.io; else what \`npm run images\` made, if it did
--uplink: a way out to this machine's network, for pulling from the internet
--set: a setting of every shoald, as in its configuration file`,
    async run(args) {
      const lab = await makeLab(readUpWords(args));
      return typeof lab === "number" ? lab : say(describe(lab));
    },
  },
  {
    verb: "down",
    usage: "[--name N]",
    about: "take a lab away, with all it made",
    async run(args) {
      await labDown(readWords(args, { least: 0, most: 0 }).lab, systemClock);
      return 0;
    },
  },
  {
    verb: "ls",
    usage: "",
    about: "the labs that are up: lab, host, address, API socket",
    async run(args) {
      if (args.length > 0) throw new Fault("invalid", `too many words: ${args.join(" ")}`);
      const labs = allLabs();
      return labs.length === 0 ? 0 : say(labs.map(describe).join("\n"));
    },
  },
  {
    verb: "docker",
    usage: "[--name N] HOST ARGS…",
    about: "the stock docker CLI against a host",
    async run(args) {
      const { lab, host, rest } = readHostThenWords(args);
      return handOver(["docker", ...rest], { ...process.env, ...dockerEnv(lab, host) });
    },
  },
  {
    verb: "exec",
    usage: "[--name N] HOST -- CMD…",
    about: "a command in a host's network",
    async run(args) {
      const { lab, host, rest } = readHostThenWords(args);
      const argv = rest[0] === "--" ? rest.slice(1) : rest;
      if (argv.length === 0) throw new Fault("invalid", "say which command: shoal lab exec HOST -- CMD…");
      requirePlugged(lab, host);
      return handOver(onHost(lab, host, argv));
    },
  },
  {
    verb: "trace",
    usage: "[--name N] HOST CLIENT DESTINATION",
    about: "how a connection that begins on a host goes, over all hosts; see shoal trace --help",
    async run(args) {
      const { lab, host, rest } = readHostThenWords(args);
      return labTrace(lab, host, rest);
    },
  },
  {
    verb: "ip",
    usage: "[--name N] HOST",
    about: "a host's address",
    run: overHost((lab, host) => void say(addressOf(lab, host))),
  },
  {
    verb: "env",
    usage: "[--name N] HOST",
    about: "what to eval so that docker speaks to a host",
    run: overHost((lab, host) => void say(`export DOCKER_HOST=${dockerEnv(lab, host).DOCKER_HOST}`)),
  },
  {
    verb: "kill",
    usage: "[--name N] HOST [--daemon]",
    about: "a power cut; --daemon: only shoald, by SIGKILL",
    async run(args) {
      const { lab, hosts, flags } = readWords(args, { least: 1, most: 1, flags: ["daemon"] });
      await (flags.has("daemon") ? killDaemon : killHost)(lab, hosts[0] ?? "", systemClock);
      return 0;
    },
  },
  {
    verb: "stop",
    usage: "[--name N] HOST",
    about: "end a host's shoald as a service manager would",
    run: overHost((lab, host) => stopDaemon(lab, host, systemClock)),
  },
  {
    verb: "start",
    usage: "[--name N] HOST",
    about: "start again what was killed or stopped",
    run: overHost((lab, host) => startHost(lab, host, parts)),
  },
  {
    verb: "pause",
    usage: "[--name N] HOST",
    about: "freeze all of a host's processes",
    run: overHost((lab, host) => signalHost(lab, host, "SIGSTOP")),
  },
  {
    verb: "resume",
    usage: "[--name N] HOST",
    about: "thaw them",
    run: overHost((lab, host) => signalHost(lab, host, "SIGCONT")),
  },
  {
    verb: "cut",
    usage: "[--name N] HOST [HOST]",
    about: "cut a host off from all, or from one other",
    async run(args) {
      const { lab, hosts } = readWords(args, { least: 1, most: 2 });
      await cut(lab, hosts[0] ?? "", hosts[1]);
      return 0;
    },
  },
  {
    verb: "heal",
    usage: "[--name N]",
    about: "undo every cut",
    async run(args) {
      await heal(readWords(args, { least: 0, most: 0 }).lab);
      return 0;
    },
  },
];
