import { z } from "zod";
import type { LogDriver } from "../model/index.ts";
import { dict, maybe, text } from "./json.ts";

/** Docker's other drivers (moby daemon/logger). */
const UNSERVED = [
  "none",
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
const DEFAULT: LogDriver = { name: "json-file", options: {} };

/** A json-file option to the form of its value and how to say it. Docker has more of them; these are served. */
const OPTIONS: Readonly<Record<string, { readonly form: RegExp; readonly is: string }>> = {
  "max-size": { form: /^[1-9]\d{0,14}[bkmg]?$/i, is: "a size like 10m" },
  "max-file": { form: /^[1-9]\d{0,3}$/, is: "a number from 1 on" },
};

/** `LogDriver`: absent is json-file without options. */
export const logDriverSchema: z.ZodType<LogDriver> = maybe(
  z.strictObject({ Name: text, Options: dict }),
).transform((wire, context): LogDriver => {
  if (wire === undefined) return DEFAULT;
  const refusal = refusalOf(wire.Name, wire.Options);
  if (refusal !== undefined) {
    context.issues.push({ code: "custom", message: refusal.message, input: wire, params: refusal });
    return z.NEVER;
  }
  return { name: "json-file", options: wire.Options };
});

interface Refusal {
  readonly message: string;
  readonly unsupported: boolean;
}

function refusalOf(name: string, options: Readonly<Record<string, string>>): Refusal | undefined {
  if (UNSERVED.includes(name)) {
    const message = `cannot use --log-driver ${name}: json-file is the one that is served so far`;
    return { unsupported: true, message };
  }
  if (!["", "json-file"].includes(name)) {
    return { unsupported: false, message: `logger: no log driver named '${name}' is registered` };
  }
  for (const [key, value] of Object.entries(options)) {
    const option = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (option === undefined) {
      return {
        unsupported: false,
        message: `unknown log opt '${key}' for json-file log driver`,
      };
    }
    if (!option.form.test(value)) {
      return { unsupported: false, message: `invalid log opt ${key}=${value}: must be ${option.is}` };
    }
  }
  return undefined;
}

/** The driver in Docker's JSON; nothing for the default, so that a spec without one comes back without one. */
export function logDriverToWire(log: LogDriver): Record<string, unknown> {
  const options = Object.keys(log.options).length > 0;
  if (log.name === "json-file" && !options) return {};
  return { Name: log.name, ...(options && { Options: log.options }) };
}
