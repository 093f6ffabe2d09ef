/** What a registry asks for in WWW-Authenticate (RFC 9110 section 11.6.1; distribution's token specification). */
export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service?: string; readonly scope?: string };

const SCHEME_REGEXP = /(?:^|,)\s*(bearer|basic)(?:\s+|$)/gi;
const PARAMETER_REGEXP = /([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;

/** The challenges in header order of use: bearer before basic; unknown schemes are left out. */
export function parseChallenges(header: string): Challenge[] {
  const starts = [...header.matchAll(SCHEME_REGEXP)];
  const found = starts.flatMap((start, i): Challenge[] => {
    const text = header.slice(start.index + start[0].length, starts[i + 1]?.index);
    return toChallenge((start[1] ?? "").toLowerCase(), parametersOf(text));
  });
  return found.sort((a, b) => Number(a.scheme === "basic") - Number(b.scheme === "basic"));
}

function toChallenge(scheme: string, parameters: ReadonlyMap<string, string>): Challenge[] {
  if (scheme === "basic") return [{ scheme: "basic" }];
  const realm = parameters.get("realm");
  if (realm === undefined) return [];
  const service = parameters.get("service");
  const scope = parameters.get("scope");
  return [{ scheme: "bearer", realm, ...(service && { service }), ...(scope && { scope }) }];
}

function parametersOf(text: string): Map<string, string> {
  const pairs = [...text.matchAll(PARAMETER_REGEXP)];
  return new Map(
    pairs.map(([, key = "", quoted, plain]) => [
      key.toLowerCase(),
      quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "",
    ]),
  );
}
