/** What one side calls its machines, by the names that sequences use for them: "N1" → "conform-1". */
export type Names = Readonly<Record<string, string>>;

/** The CLI copies an image's platforms into the spec; Docker 20.10 finds none in OCI manifests (sequence "platforms"). */
const FROM_REGISTRY = "Platforms";

/** What differs from run to run and from machine to machine, each with the word that stands for it. */
const RULES: readonly (readonly [RegExp, string])[] = [
  // Whether the CLI says so of a container that did not start is a race in it.
  [/^! time="\S+" level=error msg="error waiting for container: context canceled"\n?/gm, ""],
  [/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, "<token>"],
  [/-----BEGIN[\s\S]*?-----END CERTIFICATE-----(\\n)?/g, "<certificate>"],
  [/("CertIssuer\w+"): ".*?"/g, '$1: "<base64>"'],
  [/(Issuer (?:Subject|Public Key):\s+)\S+/g, "$1<base64>"],
  [/sha256:[0-9a-f]{64}/g, "<digest>"],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 utc)/gi, "<time>"],
  [/(about an?|less than a|\d+) (seconds?|minutes?|hours?)( ago)?/gi, "<while>$3"],
  [/("EngineVersion": |Engine Version:\s+)\S+(?<!,)/g, "$1<version>"],
  [/^(\S+ .* )\d+\.\d+\.\d+(\+\S+)?$/gm, "$1<version>"],
  [/"Index": \d+/g, '"Index": <version>'],
  [/\b[0-9a-z]{25}\b/g, "<id>"],
  [/\b[0-9a-f]{64}\b/g, "<id>"],
  [/\b(?=[a-z]*\d)[0-9a-z]{12}\b/g, "<id>"],
  [/^[0-9a-z]{12}(?= {2,}| \*|$)/gm, "<id>"],
  [/(?<="ID": ")[0-9a-z]{12}(?=")/g, "<id>"],
  [/(?<=\.)[0-9a-z]{12}(?=@)/g, "<id>"],
  [/(vxlanid_list": )"\d+"/g, '$1"<vni>"'],
  // The default pool of overlays: which part of it a network gets depends on what was there before.
  [/\b10\.0\.\d+\.\d+\b/g, "10.0.<address>"],
  [/("NanoCPUs"|"MemoryBytes"|CPUs:|Memory:)(\s+)[\d.]{9,}/g, "$1$2<size>"],
];

/** Text as it would be on any machine at any time; JSON with its keys in order, columns one space apart. */
export function normalise(text: string, names: Names): string {
  const spelled = Object.entries(names).reduce(
    (said, [word, own]) => said.replaceAll(own, word),
    lastOfProgress(text),
  );
  const said = RULES.reduce((text, [pattern, word]) => text.replace(pattern, word), inOrder(spelled))
    .replace(/(\S)[ \t]{2,}/g, "$1  ")
    .replace(/\t/g, "  ")
    .replace(/[ \t]+$/gm, "")
    .trimEnd();
  return idsLast(stepsInOrder(said));
}

/** `stack deploy` takes services, secrets and configs as its maps give them: in no order. */
function stepsInOrder(text: string): string {
  return text.replace(/(?:^(?:Creating|Updating) .*(?:\n|$))+/gm, (steps) =>
    steps.endsWith("\n")
      ? `${steps.trimEnd().split("\n").sort().join("\n")}\n`
      : steps.split("\n").sort().join("\n"),
  );
}

/** A task that is named by its node ("web.<id>"), with its history below it: `service ps` sorts names, and an id is chance. */
const NAMED_BY_ID = /^<id> {2}\S+\.<id> .*(\n<id> {2}\\_ .*)*(\n|$)/gm;

/** Tables of tasks with those last that are named by an id, in an order that does not come from the id. */
function idsLast(text: string): string {
  const named = (text.match(NAMED_BY_ID) ?? []).map((rows) => rows.trimEnd()).sort();
  if (named.length === 0) return text;
  return [text.replace(NAMED_BY_ID, "").trimEnd(), ...named].join("\n");
}

/** A progress bar's frames depend on when one looks; what counts is how it ended. */
function lastOfProgress(text: string): string {
  if (!/^(overall progress|job progress|active tasks):/m.test(text)) return text;
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter(Boolean);
  return lines.filter((line, i) => i === lines.length - 1 || /^(service|!)/i.test(line)).join("\n");
}

/** JSON printed again with the keys of its objects in order: theirs is the engine's taste. */
function inOrder(text: string): string {
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.stringify(sorted(JSON.parse(text)), null, 4);
  } catch {
    return text;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => key !== FROM_REGISTRY)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
