import { Fault, type FaultKind } from "../lib/index.ts";
import { familiarName, familiarReference, type Reference } from "./reference.ts";
import { type HttpResponse, readBody } from "./transport.ts";

/** The first error of a registry's answer: `code` in its words (MANIFEST_UNKNOWN) or made from the status. */
export interface RegistryError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const MAX_ERROR_BYTES = 64 << 10;
const MAX_MESSAGE_LENGTH = 1_000;

/** Codes for answers without a body, as HEAD's are. The words are distribution's (registry/api/errcode). */
const BY_STATUS: Readonly<Record<number, readonly [code: string, message: string]>> = {
  401: ["UNAUTHORIZED", "authentication required"],
  403: ["DENIED", "requested access to the resource is denied"],
  404: ["MANIFEST_UNKNOWN", "manifest unknown"],
  429: ["TOOMANYREQUESTS", "too many requests"],
};

/** Reads an error answer (OCI distribution spec, "Error Codes") and ends its body. */
export async function readError(response: HttpResponse): Promise<RegistryError> {
  const { status } = response;
  const [code, message] = BY_STATUS[status] ?? ["UNKNOWN", `unexpected status ${status}`];
  const bytes = await readBody(response, MAX_ERROR_BYTES).catch(() => new Uint8Array());
  const first = firstError(bytes);
  return { status, code: first?.code || code, message: first?.message || message };
}

function firstError(bytes: Uint8Array): { code: string; message: string } | undefined {
  try {
    const json = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    const first = Array.isArray(json["errors"]) ? (json["errors"][0] as Record<string, unknown>) : json;
    const message = first["message"] ?? first["details"];
    return {
      code: String(first["code"] ?? ""),
      message: typeof message === "string" ? message.slice(0, MAX_MESSAGE_LENGTH) : "",
    };
  } catch {
    return undefined;
  }
}

/** The Fault for a failed read of `ref`, in the words of Docker's pull (moby distribution/errors.go). */
export function toFault(ref: Reference, error: RegistryError): Fault {
  const said = `${error.code.toLowerCase().replaceAll("_", " ")}: ${error.message}`;
  const name = familiarName(ref);
  const row = FAULTS[error.code];
  if (row !== undefined) return new Fault(row.kind, row.message(name, familiarReference(ref), said));
  if (error.status === 429) return new Fault("unavailable", said);
  if (error.status === 404) return new Fault("not-found", `repository ${name} not found: ${said}`);
  const kind = error.status === 401 ? "unauthorized" : error.status === 403 ? "forbidden" : "unavailable";
  return new Fault(kind, `cannot pull ${familiarReference(ref)}: ${said}`);
}

/** The Fault for a failed push to `ref`: the registry's own words, as Docker passes them on. */
export function pushFault(ref: Reference, error: RegistryError): Fault {
  const said = `${error.code.toLowerCase().replaceAll("_", " ")}: ${error.message}`;
  const kind = PUSH_KINDS[error.status];
  if (kind !== undefined) return new Fault(kind, said);
  return new Fault("unavailable", `cannot push ${familiarReference(ref)}: ${said}`);
}

/** The Fault for credentials that the registry does not take (moby registry/auth.go loginV2). */
export function loginFault({ domain }: Reference, { status, message }: RegistryError): Fault {
  const kind = status === 401 || status === 403 ? "unauthorized" : "unavailable";
  return new Fault(kind, `login attempt to ${domain} failed with status: ${status} ${message}`);
}

const PUSH_KINDS: Readonly<Record<number, FaultKind>> = {
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  405: "unsupported",
  413: "invalid",
};

const denied = (name: string, _: string, said: string): string =>
  `pull access denied for ${name}, repository does not exist or may require 'docker login': ${said}`;

const FAULTS: Readonly<
  Record<string, { kind: FaultKind; message: (name: string, ref: string, said: string) => string }>
> = {
  DENIED: { kind: "not-found", message: denied },
  UNAUTHORIZED: { kind: "unauthorized", message: denied },
  NAME_UNKNOWN: { kind: "not-found", message: (name, _, said) => `repository ${name} not found: ${said}` },
  MANIFEST_UNKNOWN: {
    kind: "not-found",
    message: (_, ref, said) => `manifest for ${ref} not found: ${said}`,
  },
  NOT_FOUND: { kind: "not-found", message: (_, ref, said) => `manifest for ${ref} not found: ${said}` },
  BLOB_UNKNOWN: { kind: "not-found", message: (name, _, said) => `cannot pull ${name}: ${said}` },
  TOOMANYREQUESTS: { kind: "unavailable", message: (_, __, said) => said },
};
