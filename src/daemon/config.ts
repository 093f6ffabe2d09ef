import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { z } from "zod";
import { Fault, messageOf, parseCidr, parseIpv4 } from "../lib/index.ts";
import { LOG_LEVELS, type LogLevel } from "../sys/index.ts";
import { parseGenericResources } from "./generic-resources.ts";

const DEFAULT_FILE = "/etc/shoal/shoald.json";

/** Every setting of shoald: the same words as flags (`--data-root X`) and in the file (JSON, Docker's daemon.json words). */
export interface Config {
  readonly "data-root": string;
  readonly "exec-root": string;
  readonly hosts: readonly string[];
  readonly "read-only-hosts": readonly string[];
  readonly tlscacert?: string | undefined;
  readonly tlscert?: string | undefined;
  readonly tlskey?: string | undefined;
  readonly group: string;
  readonly "health-addr"?: string | undefined;
  readonly containerd: string;
  readonly "containerd-namespace": string;
  readonly hostname: string;
  readonly "advertise-addr"?: string | undefined;
  readonly "data-path-addr"?: string | undefined;
  readonly "registry-mirrors": readonly string[];
  readonly "insecure-registries": readonly string[];
  readonly dns: readonly string[];
  readonly "dns-search": readonly string[];
  readonly "gateway-subnet": string;
  readonly bip?: string | undefined;
  readonly ipv6: "auto" | "off";
  readonly balancer: "auto" | "nftables" | "ipvs";
  readonly "flow-tables": "auto" | "off";
  readonly "kernel-tag": string;
  readonly "default-addr-pools": readonly string[];
  readonly "default-addr-pool-size"?: number | undefined;
  readonly labels: readonly string[];
  readonly "node-generic-resources": readonly string[];
  /** Milliseconds. */
  readonly "image-gc-age": number | "off";
  readonly "image-gc-disk": { readonly above: number; readonly downTo: number } | "off";
  readonly "log-level": LogLevel;
}

type Key = keyof Config;

const cidr = z.string().refine((text) => parseCidr(text) !== undefined, "must be a CIDR like 172.18.0.0/16");
const ipv4 = z
  .string()
  .refine((text) => parseIpv4(text) !== undefined, "must be an IPv4 address like 192.0.2.53");
/** dataplane/names.ts says why so short. */
const tag = z.string().regex(/^[a-z][a-z0-9]{0,4}$/, "must be 1 to 5 lowercase letters and digits");

function checkGenericResources(terms: readonly string[], context: z.RefinementCtx): void {
  try {
    parseGenericResources(terms);
  } catch (error) {
    context.addIssue({ code: "custom", message: messageOf(error) });
  }
}

const HOUR_MS = 3_600_000;

/** "168h" or "7d" in milliseconds, or "off". */
const age = z
  .string()
  .regex(/^(?:[1-9]\d*[hd]|off)$/, 'must be hours or days like 168h or 7d, or "off"')
  .transform((text) => {
    if (text === "off") return text;
    return Number.parseInt(text, 10) * HOUR_MS * (text.endsWith("d") ? 24 : 1);
  });

/** "85:80", percents, or "off". */
const diskShare = z
  .string()
  .refine((text) => {
    const [above = 0, downTo = 0] = text.split(":").map(Number);
    return text === "off" || (/^\d+:\d+$/.test(text) && above <= 100 && downTo > 0 && downTo < above);
  }, 'must be two percents like 85:80, the second smaller, or "off"')
  .transform((text) => {
    const [above = 0, downTo = 0] = text.split(":").map(Number);
    return text === "off" ? text : { above, downTo };
  });

interface Setting {
  readonly schema: z.ZodType;
  readonly about: string;
}

/** Lists may be said several times. */
const LISTS: ReadonlySet<Key> = new Set<Key>([
  "hosts",
  "read-only-hosts",
  "registry-mirrors",
  "insecure-registries",
  "dns",
  "dns-search",
  "default-addr-pools",
  "labels",
  "node-generic-resources",
]);
const NUMBERS: ReadonlySet<Key> = new Set<Key>(["default-addr-pool-size"]);

const SETTINGS: { readonly [K in Key]-?: Setting } = {
  "data-root": {
    schema: z.string().default("/var/lib/shoal"),
    about: "folder of all that outlives a restart",
  },
  "exec-root": { schema: z.string().default("/run/shoal"), about: "folder of sockets and namespaces" },
  hosts: {
    schema: z.array(z.string()).default(["unix:///run/shoal/docker.sock"]),
    about: "where the Engine API listens; tcp://address:port needs the three files for TLS",
  },
  "read-only-hosts": {
    schema: z.array(z.string()).default([]),
    about:
      "where it listens for tools that only look: what changes anything, contents and join tokens are refused",
  },
  tlscacert: {
    schema: z.string().optional(),
    about: "file: the CA of the clients that may use the API over TCP",
  },
  tlscert: { schema: z.string().optional(), about: "file: the API's own certificate" },
  tlskey: { schema: z.string().optional(), about: "file: its key" },
  group: { schema: z.string().default("docker"), about: "group that may use the API's socket" },
  "health-addr": {
    schema: z
      .string()
      .regex(/^.+:\d+$/, "must be address:port like 0.0.0.0:2378")
      .optional(),
    about: "address:port at which load balancers may ask whether this node is ready; none if absent",
  },
  containerd: { schema: z.string().default("/run/containerd/containerd.sock"), about: "containerd's socket" },
  "containerd-namespace": { schema: z.string().default("shoal"), about: "namespace of ours in containerd" },
  hostname: { schema: z.string().default(() => hostname()), about: "this node's name" },
  "advertise-addr": {
    schema: z.string().optional(),
    about: "address or device that other nodes reach us by",
  },
  "data-path-addr": {
    schema: z.string().optional(),
    about: "address or device of the tunnels; as above if absent",
  },
  "registry-mirrors": { schema: z.array(z.url()).default([]), about: "URLs asked before docker.io" },
  "insecure-registries": { schema: z.array(z.string()).default([]), about: "hosts or CIDRs without TLS" },
  dns: { schema: z.array(ipv4).default([]), about: "name servers for tasks; the machine's if absent" },
  "dns-search": {
    schema: z.array(z.string()).default([]),
    about: "search domains for tasks; the machine's if absent",
  },
  "gateway-subnet": { schema: cidr.default("172.18.0.0/16"), about: "addresses of the node's own bridge" },
  bip: {
    schema: cidr.optional(),
    about: "address of the node on its first bridge network, with prefix length; chosen if absent",
  },
  ipv6: {
    schema: z.enum(["auto", "off"]).default("auto"),
    about:
      "auto: published ports take IPv6 clients and networks may have IPv6, if the kernel has it; off: neither",
  },
  balancer: {
    schema: z.enum(["auto", "nftables", "ipvs"]).default("auto"),
    about: "what spreads IPv4 connections to VIPs and published ports over tasks; auto is nftables",
  },
  "flow-tables": {
    schema: z.enum(["auto", "off"]).default("auto"),
    about:
      "auto: connections under way pass the sandboxes of networks by the kernel's shortcut, if it has one; off: by all rules",
  },
  "kernel-tag": {
    schema: tag.default("sh"),
    about: "begins the name of every device and table of ours; two shoalds in one network namespace need two",
  },
  "default-addr-pools": { schema: z.array(cidr).default([]), about: "what swarm init cuts subnets from" },
  "default-addr-pool-size": {
    schema: z.number().int().min(1).max(29).optional(),
    about: "prefix length of each cut",
  },
  labels: { schema: z.array(z.string()).default([]), about: "key=value labels of this node's engine" },
  "node-generic-resources": {
    schema: z.array(z.string()).default([]).superRefine(checkGenericResources),
    about: "what tasks may reserve: kind=3 a number, kind=name one of a set",
  },
  "image-gc-age": {
    schema: age.default(7 * 24 * HOUR_MS),
    about:
      "images that only tasks brought here go when unused for so long: 7d if absent, hours or days, or off",
  },
  "image-gc-disk": {
    schema: diskShare.default({ above: 85, downTo: 80 }),
    about:
      "they go, longest unused first, when the disk is fuller than 85 percent, until it is at 80: 85:80 if absent, or off",
  },
  "log-level": { schema: z.enum(LOG_LEVELS).default("info"), about: "debug, info, warn or error" },
};

const KEYS = Object.keys(SETTINGS) as Key[];
const schema = z.strictObject(Object.fromEntries(KEYS.map((key) => [key, SETTINGS[key].schema])));

/** Flags as node:util reads them. */
const flags = Object.fromEntries(
  [...KEYS, "config" as const].map((key) => [
    key,
    { type: "string" as const, multiple: LISTS.has(key as Key) },
  ]),
);

/** The settings of this run: flags win over the file, the file over defaults. Fault "invalid" names the setting. */
export function readConfig(argv: readonly string[]): Config {
  const said = parseFlags(argv);
  const named = typeof said["config"] === "string" ? said["config"] : undefined;
  const file = named ?? DEFAULT_FILE;
  if (named !== undefined && !existsSync(file)) {
    throw new Fault("invalid", `cannot read ${file}: no such file`);
  }
  const { config: _, ...fromFlags } = said;
  const parsed = schema.safeParse({ ...(existsSync(file) ? readFile(file) : {}), ...fromFlags });
  if (parsed.success) return parsed.data as unknown as Config;
  const issue = parsed.error.issues[0];
  // An unknown word has no path, and the message names it.
  const what = issue?.path.length ? `setting ${issue.path.join(".")}` : "the settings";
  throw new Fault("invalid", `cannot use ${what}: ${issue?.message ?? "invalid"}`);
}

function parseFlags(argv: readonly string[]): Record<string, unknown> {
  try {
    const { values } = parseArgs({ args: [...argv], options: flags });
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, NUMBERS.has(key as Key) ? Number(value) : value]),
    );
  } catch (cause) {
    throw new Fault("invalid", `cannot read the flags: ${messageOf(cause)}`, { cause });
  }
}

function readFile(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    throw new Fault("invalid", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Usage, one flag a line, made from the table so that it cannot lag behind. */
export function usage(): string {
  const row = (key: Key) => {
    const repeat = LISTS.has(key) ? " (may be repeated)" : "";
    return `  --${key.padEnd(24)} ${SETTINGS[key].about}${repeat}`;
  };
  const rows = KEYS.map(row).join("\n");
  return `Usage: shoald [--config FILE] [FLAGS]\n\n${rows}\n\nThe file (default ${DEFAULT_FILE}) holds the same words as JSON.\n`;
}
