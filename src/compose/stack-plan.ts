import type { FieldChange } from "./field-changes.ts";
import type { Problem } from "./problem.ts";
import type { Dependency, Json } from "./stack.ts";

export type StackKind = "network" | "secret" | "config" | "service";

/** What the cluster has, in the Engine API's words. */
export interface StackObjects {
  /** All that services may refer to. */
  readonly networks: readonly Json[];
  readonly secrets: readonly Json[];
  readonly configs: readonly Json[];
  /** All of the cluster: their published ports count. */
  readonly services: readonly Json[];
  /** The stack's own. */
  readonly tasks: readonly Json[];
}

/** A secret's or config's content; `version` is a word that differs when the content does. */
export interface Content {
  readonly base64: string;
  readonly version: string;
}

/** One thing to do to the cluster. */
export interface StackStep {
  readonly verb: "create" | "update" | "remove";
  readonly kind: StackKind;
  readonly name: string;
  /** Of what is there; undefined to create. */
  readonly id?: string;
  readonly version?: number;
  /** What to send; references to secrets, configs and networks are by name. */
  readonly body?: Json;
  readonly changes: readonly FieldChange[];
  readonly because?: string;
  /** Tasks that stop and start again, as `web.1`. */
  readonly restarts: readonly string[];
  readonly pace?: string;
  /** Services, by their names in the cluster, that must be so far first. */
  readonly after: readonly Dependency[];
}

/** What would change, in the order in which it would. */
export interface StackPlan {
  readonly stack: string;
  readonly steps: readonly StackStep[];
  /** Services that are as they should be. */
  readonly unchanged: readonly string[];
  /** Services that the files do not name, kept unless told to prune. */
  readonly orphans: readonly string[];
  readonly problems: readonly Problem[];
}
