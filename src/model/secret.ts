import type { ContainerSpec, FileReference } from "./container.ts";
import type { Meta } from "./meta.ts";
import type { Templating } from "./payload-template.ts";

/** Bytes that tasks find as a file. A secret is shown to nobody else; a config to every user. */
export type FileKind = "secret" | "config";

/** Named once and for all: only its labels change, so that whoever holds it holds what everybody does. */
export interface Secret extends Meta {
  readonly spec: SecretSpec;
}

/** The same, for words that need not be hidden. */
export type Config = Secret;

export interface SecretSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** base64. */
  readonly data: string;
  /** Absent: the data is what tasks find. */
  readonly templating?: Templating;
}

/** Where a secret without a place of its own is found. */
export const SECRETS_FOLDER = "/run/secrets";

/** A reference, and to what. */
export interface NamedFile {
  readonly kind: FileKind;
  readonly reference: FileReference;
}

/** Every secret and config that a container shall have. */
export function namedFilesOf({
  secrets = [],
  configs = [],
}: Pick<ContainerSpec, "secrets" | "configs">): NamedFile[] {
  return [
    ...secrets.map((reference): NamedFile => ({ kind: "secret", reference })),
    ...configs.map((reference): NamedFile => ({ kind: "config", reference })),
  ];
}

/** Where it is in the container: an absolute place is the user's own. */
export function placeOfFile({ kind, reference: { file } }: NamedFile): string {
  if (file.name.startsWith("/")) return file.name;
  return kind === "secret" ? `${SECRETS_FOLDER}/${file.name}` : `/${file.name}`;
}
