const DOMAIN_REGEXP = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d+)?$/;
const COMPONENT_REGEXP = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG_REGEXP = /^\w[\w.-]{0,127}$/;
const DIGEST_REGEXP = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
const MAX_NAME = 255;

/** True for a reference that Docker takes: [DOMAIN/]NAME[:TAG][@DIGEST] (distribution/reference's grammar). */
export function isImageReference(reference: string): boolean {
  const [named = "", digest, ...more] = reference.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST_REGEXP.test(digest))) return false;
  const colon = named.lastIndexOf(":");
  const tagged = colon > named.lastIndexOf("/");
  if (tagged && !TAG_REGEXP.test(named.slice(colon + 1))) return false;
  return isName(tagged ? named.slice(0, colon) : named);
}

function isName(name: string): boolean {
  if (name.length > MAX_NAME || /^[0-9a-f]{64}$/.test(name)) return false;
  const parts = name.split("/");
  const [first = ""] = parts;
  const hasDomain =
    parts.length > 1 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  if (hasDomain && !DOMAIN_REGEXP.test(first)) return false;
  return (hasDomain ? parts.slice(1) : parts).every((part) => COMPONENT_REGEXP.test(part));
}
