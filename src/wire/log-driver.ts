import { z } from "zod";
import type { LogDriver } from "../model/index.ts";
import { dict, goStruct, maybe, text } from "./json.ts";

/** Docker's other drivers (moby daemon/logger). */
const UNSERVED = [
  "local",
  "syslog",
  "journald",
  "gelf",
  "fluentd",
  "awslogs",
  "splunk",
  "etwlogs",
  "gcplogs",
];
const SERVED = ["", "json-file", "none"] as const;
const DEFAULT: LogDriver = { name: "", options: {} };

/** A json-file option to the form of its value and how to say it. */
const OPTIONS: Readonly<Record<string, { readonly form: RegExp; readonly is: string }>> = {
  "max-size": { form: /^[1-9]\d{0,14}[bkmg]?$/i, is: "a size like 10m" },
  "max-file": { form: /^[1-9]\d{0,3}$/, is: "a number from 1 on" },
};
/** What else Docker's json-file takes. */
const UNSERVED_OPTIONS = [
  "compress",
  "env",
  "env-regex",
  "labels",
  "labels-regex",
  "max-buffer-size",
  "mode",
  "tag",
];

/** `LogDriver`: absent is the node's default. */
export const logDriverSchema: z.ZodType<LogDriver> = maybe(goStruct({ Name: text, Options: dict })).transform(
  (wire, context): LogDriver => {
    if (wire === undefined) return DEFAULT;
    const name = SERVED.find((served) => served === wire.Name);
    const refusal = refusalOf(wire.Name, wire.Options);
    if (name !== undefined && refusal === undefined) return { name, options: wire.Options };
    context.issues.push({ code: "custom", message: refusal?.message ?? "", input: wire, params: refusal });
    return z.NEVER;
  },
);

interface Refusal extends Record<string, unknown> {
  readonly message: string;
  readonly unsupported: boolean;
}

function refusalOf(name: string, options: Readonly<Record<string, string>>): Refusal | undefined {
  if (UNSERVED.includes(name)) {
    const message = `cannot use --log-driver ${name}: json-file and none are the ones that are served`;
    return { unsupported: true, message };
  }
  if (!SERVED.some((served) => served === name)) {
    return { unsupported: false, message: `logger: no log driver named '${name}' is registered` };
  }
  // Docker lets options of none pass; they mean nothing.
  if (name === "none") return undefined;
  for (const [key, value] of Object.entries(options)) {
    const refusal = optionRefusal(key, value);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function optionRefusal(key: string, value: string): Refusal | undefined {
  const option = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
  if (option?.form.test(value)) return undefined;
  if (option !== undefined) {
    return { unsupported: false, message: `invalid log opt ${key}=${value}: must be ${option.is}` };
  }
  if (UNSERVED_OPTIONS.includes(key)) {
    const message = `cannot use --log-opt ${key}: max-size and max-file are the ones that are served`;
    return { unsupported: true, message };
  }
  return { unsupported: false, message: `unknown log opt '${key}' for json-file log driver` };
}

/** The driver in Docker's JSON; nothing where nobody chose one. */
export function logDriverToWire(log: LogDriver): Record<string, unknown> {
  const options = Object.keys(log.options).length > 0;
  if (log.name === "" && !options) return {};
  return { Name: log.name, ...(options && { Options: log.options }) };
}
