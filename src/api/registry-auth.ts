import type { IncomingHttpHeaders } from "node:http";
import { Fault } from "../lib/index.ts";

/** The client's X-Registry-Auth (base64url JSON), kept as it came; undefined when there is none. Fault "invalid" on garbage. */
export function registryAuthOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers["x-registry-auth"];
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined || text === "") return undefined;
  if (!isJsonObject(Buffer.from(text, "base64url").toString("utf8"))) {
    throw new Fault("invalid", "invalid X-Registry-Auth header: it is no JSON object in base64url");
  }
  return text;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
