import { Fault } from "../lib/index.ts";
import type { NodeDescription } from "./node.ts";
import { isGlobal } from "./service.ts";
import { type Task, taskName } from "./task.ts";
import { FUNCTIONS, format, isTrue, mustBeShort, type Tree, type Value } from "./template-functions.ts";
import { type Command, type Part, type Pipe, parseTemplate, type Term } from "./template-parse.ts";
import { quoted } from "./template-tokens.ts";

/**
 * What a template can say of a task (swarmkit template/context.go); the names are the template's own. Go's text/template is the
 * language, as far as it makes sense of these: fields, pipes, `if`, comments, trim marks, and the functions of FUNCTIONS.
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

/** Throws Fault "invalid" for a template that can be expanded for no task. Which labels a service will have, it cannot know. */
export function checkTemplate(text: string): void {
  checkParts(parseTemplate(text));
}

/** The text with every action replaced by what it says. Fault "invalid" with the action and what is wrong with it. */
export function expandTemplate(text: string, context: TemplateContext): string {
  // An interface has no index; to the template it is a tree.
  return expand(parseTemplate(text), { ...context } as Tree);
}

function expand(parts: readonly Part[], tree: Tree): string {
  let text = "";
  for (const part of parts) {
    const said = expandPart(part, tree);
    if (part.kind !== "text") named(part.source, () => mustBeShort(text.length + said.length));
    text += said;
  }
  return text;
}

function expandPart(part: Part, tree: Tree): string {
  if (part.kind === "text") return part.text;
  if (part.kind === "value") return named(part.source, () => format(run(part.pipe, tree)));
  const condition = named(part.source, () => isTrue(run(part.pipe, tree)));
  return expand(condition ? part.then : part.otherwise, tree);
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

function run(pipe: Pipe, tree: Tree): Value {
  let piped: Value[] = [];
  for (const command of pipe) piped = [call(command, piped, tree)];
  return piped[0] ?? "";
}

function call(command: Command, piped: readonly Value[], tree: Tree): Value {
  const [first, ...rest] = command as [Term, ...Term[]];
  const args = [...rest.map((term) => termValue(term, tree)), ...piped];
  if (first.kind === "function") {
    mustBeShort(args.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 0), 0));
    return functionOf(first.name, args.length).call(...args);
  }
  mustBeAlone(first, args.length);
  return termValue(first, tree);
}

function termValue(term: Term, tree: Tree): Value {
  if (term.kind === "literal") return term.value;
  if (term.kind === "pipe") return run(term.pipe, tree);
  if (term.kind === "function") return functionOf(term.name, 0).call();
  return fieldOf(term.path, tree);
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

function functionOf(name: string, count: number): (typeof FUNCTIONS)[string] {
  const found = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (found === undefined) {
    throw new Fault(
      "invalid",
      `there is no function "${name}": there is ${Object.keys(FUNCTIONS).join(", ")}`,
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

function checkParts(parts: readonly Part[]): void {
  for (const part of parts) {
    if (part.kind === "text") continue;
    named(part.source, () => checkPipe(part.pipe));
    if (part.kind === "if") checkParts([...part.then, ...part.otherwise]);
  }
}

function checkPipe(pipe: Pipe): void {
  for (const [i, command] of pipe.entries()) {
    const [first, ...rest] = command as [Term, ...Term[]];
    const count = rest.length + (i > 0 ? 1 : 0);
    if (first.kind === "function") functionOf(first.name, count);
    else mustBeAlone(first, count);
    for (const term of command) checkTerm(term, term === first);
  }
}

function checkTerm(term: Term, isCalled: boolean): void {
  if (term.kind === "pipe") checkPipe(term.pipe);
  if (term.kind === "function" && !isCalled) functionOf(term.name, 0);
  if (term.kind !== "field") return;
  const isLabel = `.${term.path.slice(0, -1).join(".")}` === LABELS;
  if (!isLabel) fieldOf(term.path, NAMES);
}
