import { Fault } from "../lib/index.ts";
import { type Digest, requireDigest } from "./digest.ts";

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DOMAIN = "index.docker.io";
const OFFICIAL_PREFIX = "library/";
const DEFAULT_TAG = "latest";
const MAX_NAME_LENGTH = 255;

/** A normalised image reference: where, what, which. `redis` is docker.io, library/redis. */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REFERENCE_REGEXP = new RegExp(
  `^(${DOMAIN})/(${PATH_PART}(?:/${PATH_PART})*)(?::(\\w[\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,}))?$`,
);
const IMAGE_ID_REGEXP = /^[a-f0-9]{64}$/;

/**
 * Parses what a user writes into a normalised reference; adds no tag.
 * Fault "invalid" in Docker's words. Grammar: distribution/reference, reference.go and normalize.go.
 */
export function parseReference(text: string): Reference {
  if (IMAGE_ID_REGEXP.test(text)) {
    const reason = "cannot specify 64-byte hexadecimal strings";
    throw new Fault("invalid", `invalid repository name (${text}), ${reason}`);
  }
  const { domain, rest } = splitDomain(text);
  const path = rest.split(/[:@]/, 1)[0] ?? "";
  if (path !== path.toLowerCase()) {
    throw new Fault("invalid", `invalid reference format: repository name (${path}) must be lowercase`);
  }
  const match = REFERENCE_REGEXP.exec(`${domain}/${rest}`);
  if (match === null) throw new Fault("invalid", "invalid reference format");
  const [, , name = "", tag, digest] = match;
  if (name.length > MAX_NAME_LENGTH) {
    throw new Fault("invalid", `repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  return {
    domain,
    path: name,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest: requireDigest(digest) }),
  };
}

/** The first part is a host when it could not be a repository: it has a dot, a port, capitals, or is localhost. */
function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf("/");
  const head = text.slice(0, Math.max(0, slash));
  const isHost = /[.:]/.test(head) || head === "localhost" || head !== head.toLowerCase();
  const domain = isHost && head !== LEGACY_DOMAIN ? head : DEFAULT_DOMAIN;
  const rest = isHost ? text.slice(slash + 1) : text;
  const official = domain === DEFAULT_DOMAIN && rest !== "" && !rest.includes("/");
  return { domain, rest: official ? OFFICIAL_PREFIX + rest : rest };
}

/** The same reference with `:latest` when it names neither tag nor digest. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: DEFAULT_TAG } : ref;
}

/** `docker.io/library/redis`: the repository in full. */
export function nameOf(ref: Reference): string {
  return `${ref.domain}/${ref.path}`;
}

/** The normalised text; parseReference gives the same reference back. */
export function formatReference(ref: Reference): string {
  return nameOf(ref) + suffixOf(ref);
}

/** The repository as Docker's CLI shows it: `redis`, `user/app`, `host:5000/app`. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return nameOf(ref);
  const short = ref.path.slice(OFFICIAL_PREFIX.length);
  return ref.path.startsWith(OFFICIAL_PREFIX) && !short.includes("/") ? short : ref.path;
}

/** The whole reference as Docker's CLI shows it. */
export function familiarReference(ref: Reference): string {
  return familiarName(ref) + suffixOf(ref);
}

function suffixOf({ tag, digest }: Reference): string {
  return (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
}

/** The registry that `docker login` means: by URL (its own for Docker Hub), by host, or by nothing for Docker Hub. */
export function registryDomain(server: string): string {
  const host = server.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  return host === "" || host === LEGACY_DOMAIN ? DEFAULT_DOMAIN : host;
}
