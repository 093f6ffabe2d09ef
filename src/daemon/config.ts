import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { z } from "zod";
import { Fault, messageOf, parseCidr } from "../lib/index.ts";
import { LOG_LEVELS } from "../sys/index.ts";

const DEFAULT_FILE = "/etc/shoal/shoald.json";

const cidr = z.string().refine((text) => parseCidr(text) !== undefined, "must be a CIDR like 172.18.0.0/16");

/** Every setting of shoald: the same words as flags (`--data-root X`) and in the file (JSON, Docker's daemon.json words). */
const schema = z.strictObject({
  "data-root": z.string().default("/var/lib/shoal"),
  "exec-root": z.string().default("/run/shoal"),
  hosts: z.array(z.string()).default(["unix:///run/shoal/docker.sock"]),
  group: z.string().default("docker"),
  containerd: z.string().default("/run/containerd/containerd.sock"),
  "containerd-namespace": z.string().default("shoal"),
  hostname: z.string().default(() => hostname()),
  "advertise-addr": z.string().optional(),
  "data-path-addr": z.string().optional(),
  "registry-mirrors": z.array(z.url()).default([]),
  "insecure-registries": z.array(z.string()).default([]),
  "gateway-subnet": cidr.default("172.18.0.0/16"),
  "default-addr-pools": z.array(cidr).default([]),
  "default-addr-pool-size": z.number().int().min(1).max(29).optional(),
  labels: z.array(z.string()).default([]),
  "log-level": z.enum(LOG_LEVELS).default("info"),
});

export type Config = z.infer<typeof schema>;

type Key = keyof Config;
const LISTS = new Set<Key>([
  "hosts",
  "registry-mirrors",
  "insecure-registries",
  "default-addr-pools",
  "labels",
]);
const NUMBERS = new Set<Key>(["default-addr-pool-size"]);

/** Flags as node:util reads them: lists may be said several times. */
const flags = Object.fromEntries(
  [...(Object.keys(schema.shape) as Key[]), "config" as const].map((key) => [
    key,
    { type: "string" as const, multiple: LISTS.has(key as Key) },
  ]),
);

/** The settings of this run: flags win over the file, the file over defaults. Fault "invalid" names the setting. */
export function readConfig(argv: readonly string[]): Config {
  const said = parseFlags(argv);
  const file = typeof said["config"] === "string" ? said["config"] : DEFAULT_FILE;
  const fromFile = existsSync(file) ? readFile(file) : {};
  if (said["config"] !== undefined && !existsSync(file))
    throw new Fault("invalid", `cannot read ${file}: no such file`);
  const { config: _, ...fromFlags } = said;
  const parsed = schema.safeParse({ ...fromFile, ...fromFlags });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Fault(
    "invalid",
    `cannot use setting ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`,
  );
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

/** Usage, one flag a line, made from the schema so that it cannot lag behind. */
export function usage(): string {
  const rows = Object.keys(schema.shape).map(
    (key) => `  --${key}${LISTS.has(key as Key) ? " …  (may be repeated)" : " …"}`,
  );
  return `Usage: shoald [--config FILE] [FLAGS]\n\n${rows.join("\n")}\n\nThe file (default ${DEFAULT_FILE}) holds the same words as JSON.\n`;
}
