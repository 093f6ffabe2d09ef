import { Fault } from "../lib/index.ts";
import {
  checkPayload,
  type FileKind,
  payloadText,
  type Secret,
  type SecretSpec,
  TEMPLATE_DRIVER,
} from "../model/index.ts";
import { dict, goStruct, maybe, omitEmpty, readJson, text, unserved } from "./json.ts";
import { invalid } from "./refusal.ts";
import { formatTime } from "./time.ts";

/* Secrets and configs: the same words in Docker's JSON, but for what is shown. */

const DRIVER = "cannot use --driver: secrets of external stores are not supported yet";

const schema = goStruct({
  Name: text,
  Labels: dict,
  Data: text,
  Driver: unserved(DRIVER),
  Templating: maybe(goStruct({ Name: text, Options: dict })),
});

/** Fewer bytes than this (swarmkit api/validation/secrets.go, manager/constants). */
const SIZES: Readonly<Record<FileKind, number>> = { secret: 500 * 1024, config: 1000 * 1024 };
const NAME = /^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$/;
const MAX_NAME = 64;
const NAME_RULE =
  "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]";

/** The words of a new secret or config, checked as Swarm does. No refusal quotes the data. Fault "invalid". */
export function secretSpecFromWire(kind: FileKind, json: unknown): SecretSpec {
  const spec = read(kind, json);
  const { name, data, templating } = spec;
  if (name === "") throw invalid("name must be provided");
  if (name.length > MAX_NAME || !NAME.test(name)) throw invalid(NAME_RULE);
  const bytes = (data.length / 4) * 3 - (data.length - data.replace(/=+$/, "").length);
  if (bytes < 1 || bytes >= SIZES[kind]) {
    throw invalid(`${kind} data must be larger than 0 and less than ${SIZES[kind]} bytes`);
  }
  if (templating !== undefined) checkTemplated(kind, templating.name, data);
  return spec;
}

/** Swarm takes any driver and any data, and rejects each task; here it is known before. */
function checkTemplated(kind: FileKind, driver: string, data: string): void {
  if (driver !== TEMPLATE_DRIVER) {
    throw new Fault(
      "invalid",
      `unrecognized template type "${driver}": ${TEMPLATE_DRIVER} is the one that there is`,
    );
  }
  checkPayload(
    payloadText(
      Uint8Array.from(atob(data), (char) => char.charCodeAt(0)),
      `the ${kind}`,
    ),
  );
}

/** What an update says: its data may be left out. */
export function secretUpdateFromWire(kind: FileKind, json: unknown): SecretSpec {
  return read(kind, json);
}

function read(kind: FileKind, json: unknown): SecretSpec {
  const { Name, Labels, Data, Templating } = readJson(schema, json, `${kind} spec`);
  const data = normalBase64(Data);
  if (data === undefined) throw new Fault("invalid", `invalid ${kind} spec: Data: must be base64`);
  const templating = Templating && { name: Templating.Name, options: Templating.Options };
  return { name: Name, labels: Labels, data, ...(templating && { templating }) };
}

/** As Go reads it: padded, line ends are nothing. Undefined for anything else. */
function normalBase64(text: string): string | undefined {
  const line = text.replace(/[\r\n]/g, "");
  const isWhole = line.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(line);
  return isWhole ? line : undefined;
}

/** A secret without its data, a config with it. */
export function secretToWire(kind: FileKind, { id, version, createdAt, updatedAt, spec }: Secret): unknown {
  const { templating } = spec;
  return {
    ID: id,
    Version: { Index: version },
    CreatedAt: formatTime(createdAt),
    UpdatedAt: formatTime(updatedAt),
    Spec: {
      Name: spec.name,
      Labels: spec.labels,
      ...(kind === "config" && { Data: spec.data }),
      ...(templating && {
        Templating: { Name: templating.name, ...omitEmpty({ Options: templating.options }) },
      }),
    },
  };
}
