import { Fault } from "../lib/index.ts";
import { checkTemplate, type Dialect, expandTemplate, type TemplateContext } from "./template.ts";
import { functionsWithin, type TemplateFunctions, textOf } from "./template-functions.ts";

/** How a secret or config becomes what a task finds. */
export interface Templating {
  /** "golang": the one that there is (swarmkit template/expand.go). */
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

export const TEMPLATE_DRIVER = "golang";

/** What a payload can ask of its task, beside what every template can (swarmkit template/context.go, PayloadContext). */
export interface PayloadSource {
  /** A variable of the task's environment; empty when it has none of the name. */
  env(name: string): string;
  /** What a secret of the task's own holds, by its target as the reference says it. Fault "invalid". */
  secret(target: string): string;
  /** The same of a config. */
  config(target: string): string;
}

/** Swarm has no bound; a file of the largest kind has a quarter of it. */
const MOST_CHARACTERS = 4 * 1_024 * 1_024;

const DOOR: PayloadSource = { env: String, secret: String, config: String };

/** Throws Fault "invalid" for a payload that can be expanded for no task. */
export function checkPayload(text: string): void {
  checkTemplate(text, dialectOf(DOOR));
}

/** A payload, expanded. Fault "invalid" that names the action and nothing of what is around it. */
export function expandPayload(text: string, context: TemplateContext, source: PayloadSource): string {
  return expandTemplate(text, context, dialectOf(source));
}

/** Bytes as the text that a template is. Fault "invalid" unless they are UTF-8. */
export function payloadText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Fault("invalid", `${what} is not text in UTF-8: templates are`);
  }
}

function dialectOf({ env, secret, config }: PayloadSource): Dialect {
  const functions: TemplateFunctions = {
    ...functionsWithin(MOST_CHARACTERS),
    env: { takes: [1, 1], call: (name = "") => env(textOf(name)) },
    secret: { takes: [1, 1], call: (target = "") => secret(textOf(target)) },
    config: { takes: [1, 1], call: (target = "") => config(textOf(target)) },
  };
  return { functions, most: MOST_CHARACTERS };
}
