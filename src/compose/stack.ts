import type { Position } from "./problem.ts";

/** Docker's JSON, as the Engine API takes it. */
export type Json = Readonly<Record<string, unknown>>;

/** What a stack's files ask for, in the words of the Engine API. */
export interface Stack {
  readonly name: string;
  readonly networks: readonly WantedNetwork[];
  readonly secrets: readonly WantedFile[];
  readonly configs: readonly WantedFile[];
  readonly services: readonly WantedService[];
}

export interface WantedNetwork {
  readonly key: string;
  readonly name: string;
  readonly at: Position;
  /** Must be there already; else `body` is what makes it. */
  readonly external: boolean;
  readonly body: Json;
}

/** A secret or config. */
export interface WantedFile {
  readonly key: string;
  readonly at: Position;
  readonly external: boolean;
  /** Its name in the cluster; of a versioned one, the part before the version. */
  readonly name: string;
  /** Each content is an object of its own, named after it; not so where the file fixes a `name`. */
  readonly versioned: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** "golang": each task finds what its content makes; undefined: the content. */
  readonly templateDriver?: string;
  /** Where its content is; undefined when external. */
  readonly from: FileOrigin | undefined;
}

export type FileOrigin =
  | { readonly kind: "file"; readonly path: string; readonly at: Position }
  | { readonly kind: "text"; readonly text: string };

export type Condition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface Dependency {
  /** The service's key in the file. */
  readonly on: string;
  readonly condition: Condition;
  readonly at: Position;
}

export interface WantedService {
  readonly key: string;
  readonly name: string;
  readonly at: Position;
  /** Where its fields are said, for what the API would refuse. */
  readonly fields: ReadonlyMap<string, Position>;
  readonly dependsOn: readonly Dependency[];
  /** References to secrets and configs are by the keys of the file; planning puts names and ids there. */
  readonly spec: Json;
}

export const NAMESPACE = "com.docker.stack.namespace";
export const IMAGE = "com.docker.stack.image";

/** A name in the cluster, from a key in the file. */
export function scoped(stack: string, key: string): string {
  return `${stack}_${key}`;
}

/** Labels with the one that `docker stack` knows a stack's objects by. */
export function stackLabels(
  stack: string,
  labels: ReadonlyMap<string, string | undefined> | undefined,
): Record<string, string> {
  const own = [...(labels ?? [])].map(([key, value]) => [key, value ?? ""]);
  return { ...(Object.fromEntries(own) as Record<string, string>), [NAMESPACE]: stack };
}
