import { parseArgs } from "node:util";
import { CLIENT, type LabRecord, readLab } from "../lab/index.ts";
import { Fault, messageOf } from "../lib/index.ts";

/** Reading a lab command's words: `--name N`, hosts, and the words that are another program's. */

const DEFAULT_NAME = "lab";

/** What a command was told, after its verb. */
export interface Words {
  readonly lab: LabRecord;
  readonly hosts: readonly string[];
  readonly flags: ReadonlySet<string>;
}

/** Words of a command that names up to `most` hosts and has these flags; `--name N` may stand anywhere. */
export function readWords(
  args: readonly string[],
  { least, most, flags = [] }: { least: number; most: number; flags?: readonly string[] },
): Words {
  const booleans = Object.fromEntries(flags.map((flag) => [flag, { type: "boolean" as const }]));
  const options = { ...booleans, name: { type: "string" as const, default: DEFAULT_NAME } };
  const { values, positionals } = parsed(() =>
    parseArgs({ args: [...args], options, allowPositionals: true }),
  );
  const lab = readLab(String(values.name));
  if (positionals.length < least) throw new Fault("invalid", whichHost(lab));
  if (positionals.length > most) {
    throw new Fault("invalid", `too many words: ${positionals.slice(most).join(" ")}`);
  }
  return { lab, hosts: positionals, flags: new Set(flags.filter((flag) => flag in values)) };
}

/** `[--name N] HOST WORDS…`, where the words after the host are another program's and are not looked at. */
export function readHostThenWords(args: readonly string[]): { lab: LabRecord; host: string; rest: string[] } {
  const { named, rest } = splitName(args);
  const lab = readLab(named.at(-1)?.replace(/^--name=/, "") ?? DEFAULT_NAME);
  const [host, ...others] = rest;
  if (host === undefined || host === "--") throw new Fault("invalid", whichHost(lab));
  if (host.startsWith("-")) throw new Fault("invalid", `unknown option ${host} before the host's name`);
  return { lab, host, rest: others };
}

/** Splits a leading `--name N` or `--name=N` off. */
export function splitName(args: readonly string[]): { named: string[]; rest: string[] } {
  const [first = ""] = args;
  const count = first === "--name" ? 2 : first.startsWith("--name=") ? 1 : 0;
  if (count > args.length) throw new Fault("invalid", "say which lab: --name NAME");
  return { named: args.slice(0, count), rest: args.slice(count) };
}

export interface UpWords {
  readonly name: string;
  readonly hosts: number;
  readonly swarm: boolean;
  readonly images: string | undefined;
  readonly uplink: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

export function readUpWords(args: readonly string[]): UpWords {
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        name: { type: "string", default: DEFAULT_NAME },
        hosts: { type: "string", default: "3" },
        swarm: { type: "boolean", default: false },
        images: { type: "string" },
        uplink: { type: "boolean", default: false },
        set: { type: "string", multiple: true, default: [] },
      },
    }),
  );
  const { name, swarm, images, uplink } = values;
  const hosts = /^\d+$/.test(values.hosts) ? Number(values.hosts) : Number.NaN;
  return { name, hosts, swarm, images, uplink, settings: Object.fromEntries(values.set.map(readSetting)) };
}

/** `key=value` for shoald's configuration: JSON, or else plain text. */
function readSetting(text: string): [string, unknown] {
  const [, key, value] = /^([a-z-]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new Fault("invalid", `cannot read --set ${text}: write KEY=VALUE`);
  }
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}

/** parseArgs says what is wrong as a TypeError with a sentence, and then goes on about `--`. */
function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Fault("invalid", messageOf(error).split(". ")[0] ?? "", { cause: error });
  }
}

function whichHost(lab: LabRecord): string {
  return `say which host: hosts of lab ${lab.name} are ${[...lab.hosts, CLIENT].join(", ")}`;
}
