import { Fault } from "../lib/index.ts";
import type { NodeDescription } from "./node.ts";
import { isGlobal } from "./service.ts";
import { type Task, taskName } from "./task.ts";
import {
  format,
  functionsWithin,
  isTrue,
  mustBeShort,
  type TemplateFunction,
  type TemplateFunctions,
  type Tree,
  type Value,
} from "./template-functions.ts";
import { type Command, type Part, type Pipe, parseTemplate, type Term } from "./template-parse.ts";
import { quoted } from "./template-tokens.ts";

/**
 * What a template can say of a task (swarmkit template/context.go); the names are the template's own. Go's text/template is the
 * language, as far as it makes sense of these: fields, pipes, `if`, comments, trim marks, and the functions of a Dialect.
 */
export interface TemplateContext {
  readonly Service: {
    readonly ID: string;
    readonly Name: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly Node: {
    readonly ID: string;
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
  };
  /** A global service's task has its node's id as slot. */
  readonly Task: { readonly ID: string; readonly Name: string; readonly Slot: string };
}

const LABELS = ".Service.Labels";

/** The names of the context. Labels can have any. */
const NAMES: Tree = {
  Service: { ID: "", Name: "", Labels: {} },
  Node: { ID: "", Hostname: "", Platform: { Architecture: "", OS: "" } },
  Task: { ID: "", Name: "", Slot: "" },
};

type TemplateTask = Pick<
  Task,
  "id" | "serviceId" | "serviceName" | "serviceLabels" | "mode" | "slot" | "nodeId"
>;

/** What templates of a task's words see on its node. */
export function templateContextOf(
  task: TemplateTask,
  node: Pick<NodeDescription, "hostname" | "platform">,
): TemplateContext {
  const nodeId = task.nodeId ?? "";
  const { architecture, os } = node.platform;
  return {
    Service: { ID: task.serviceId, Name: task.serviceName, Labels: task.serviceLabels },
    Node: { ID: nodeId, Hostname: node.hostname, Platform: { Architecture: architecture, OS: os } },
    Task: { ID: task.id, Name: taskName(task), Slot: isGlobal(task.mode) ? nodeId : String(task.slot) },
  };
}

/** What templates of one kind can call, and how long what they make may be. */
export interface Dialect {
  readonly functions: TemplateFunctions;
  readonly most: number;
}

/** The kernel takes no longer variable (MAX_ARG_STRLEN); a few words could ask for gigabytes. */
const MOST_CHARACTERS = 131_072;
/** Of a service's words. */
const WORDS: Dialect = { functions: functionsWithin(MOST_CHARACTERS), most: MOST_CHARACTERS };

/** A template's surroundings while it is expanded. */
interface Scope extends Dialect {
  readonly tree: Tree;
}

/** Throws Fault "invalid" for a template that can be expanded for no task. Which labels a service will have, it cannot know. */
export function checkTemplate(text: string, { functions }: Pick<Dialect, "functions"> = WORDS): void {
  checkParts(parseTemplate(text), functions);
}

/** The text with every action replaced by what it says. Fault "invalid" with the action and what is wrong with it. */
export function expandTemplate(text: string, context: TemplateContext, dialect: Dialect = WORDS): string {
  // An interface has no index; to the template it is a tree.
  return expand(parseTemplate(text), { ...dialect, tree: { ...context } as Tree });
}

function expand(parts: readonly Part[], scope: Scope): string {
  let text = "";
  for (const part of parts) {
    const said = expandPart(part, scope);
    if (part.kind !== "text") named(part.source, () => mustBeShort(text.length + said.length, scope.most));
    text += said;
  }
  return text;
}

function expandPart(part: Part, scope: Scope): string {
  if (part.kind === "text") return part.text;
  if (part.kind === "value") return named(part.source, () => format(run(part.pipe, scope)));
  const condition = named(part.source, () => isTrue(run(part.pipe, scope)));
  return expand(condition ? part.then : part.otherwise, scope);
}

/** Errors say which action they are about, and nothing of the text beside it: that may be a password. */
function named<T>(source: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!Fault.is(error, "invalid")) throw error;
    throw new Fault("invalid", `cannot expand template ${quoted(source)}: ${error.message}`);
  }
}

function run(pipe: Pipe, scope: Scope): Value {
  let piped: Value[] = [];
  for (const command of pipe) piped = [call(command, piped, scope)];
  return piped[0] ?? "";
}

function call(command: Command, piped: readonly Value[], scope: Scope): Value {
  const [first, ...rest] = command as [Term, ...Term[]];
  const args = [...rest.map((term) => termValue(term, scope)), ...piped];
  if (first.kind === "function") {
    const given = args.reduce<number>(
      (sum, value) => sum + (typeof value === "string" ? value.length : 0),
      0,
    );
    mustBeShort(given, scope.most);
    return functionOf(scope.functions, first.name, args.length).call(...args);
  }
  mustBeAlone(first, args.length);
  return termValue(first, scope);
}

function termValue(term: Term, scope: Scope): Value {
  if (term.kind === "literal") return term.value;
  if (term.kind === "pipe") return run(term.pipe, scope);
  if (term.kind === "function") return functionOf(scope.functions, term.name, 0).call();
  return fieldOf(term.path, scope.tree);
}

function fieldOf(path: readonly string[], tree: Tree): Value {
  let value: Value = tree;
  for (const [depth, name] of path.entries()) {
    if (typeof value === "object" && Object.hasOwn(value, name)) value = value[name] ?? "";
    else throw unknownField(path, depth, value);
  }
  return value;
}

function unknownField(path: readonly string[], depth: number, owner: Value): Fault {
  const above = `.${path.slice(0, depth).join(".")}`;
  const name = path[depth];
  if (above === LABELS) return new Fault("invalid", `the service has no label "${name}"`);
  const has = typeof owner === "object" ? Object.keys(owner).map((n) => `.${n}`) : [];
  const where = above === "." ? "a template" : above;
  return new Fault(
    "invalid",
    `there is no .${name} in ${where}${has.length > 0 ? `, but ${has.join(", ")}` : ""}`,
  );
}

function functionOf(functions: TemplateFunctions, name: string, count: number): TemplateFunction {
  const found = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (found === undefined) {
    throw new Fault(
      "invalid",
      `there is no function "${name}": there is ${Object.keys(functions).join(", ")}`,
    );
  }
  const [least, most] = found.takes;
  if (count >= least && count <= most) return found;
  const bound = count < least ? `at least ${least}` : `at most ${most}`;
  throw new Fault("invalid", `"${name}" takes ${least === most ? least : bound} values, not ${count}`);
}

function mustBeAlone(term: Term, args: number): void {
  if (args === 0) return;
  const what = term.kind === "field" ? `.${term.path.join(".")}` : "a value";
  throw new Fault("invalid", `${what} is no function and takes no values`);
}

function checkParts(parts: readonly Part[], functions: TemplateFunctions): void {
  for (const part of parts) {
    if (part.kind === "text") continue;
    named(part.source, () => checkPipe(part.pipe, functions));
    if (part.kind === "if") checkParts([...part.then, ...part.otherwise], functions);
  }
}

function checkPipe(pipe: Pipe, functions: TemplateFunctions): void {
  for (const [i, command] of pipe.entries()) {
    const [first, ...rest] = command as [Term, ...Term[]];
    const count = rest.length + (i > 0 ? 1 : 0);
    if (first.kind === "function") functionOf(functions, first.name, count);
    else mustBeAlone(first, count);
    for (const term of command) checkTerm(term, term === first, functions);
  }
}

function checkTerm(term: Term, isCalled: boolean, functions: TemplateFunctions): void {
  if (term.kind === "pipe") checkPipe(term.pipe, functions);
  if (term.kind === "function" && !isCalled) functionOf(functions, term.name, 0);
  if (term.kind !== "field") return;
  const isLabel = `.${term.path.slice(0, -1).join(".")}` === LABELS;
  if (!isLabel) fieldOf(term.path, NAMES);
}
