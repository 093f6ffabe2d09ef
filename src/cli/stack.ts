import { parseArgs } from "node:util";
import { EngineClient } from "../client/index.ts";
import { formatProblem, type Problem, planStack, type StackPlan } from "../compose/index.ts";
import { type Clock, Fault, messageOf } from "../lib/index.ts";
import { RegistryLogins } from "./registry-logins.ts";
import { Deployment } from "./stack-deploy.ts";
import { type FileWords, readContents, readStackFiles } from "./stack-files.ts";
import { type ImageFacts, readImages, readObjects } from "./stack-objects.ts";
import { printDrift, printPlan } from "./stack-print.ts";
import { removeStack } from "./stack-remove.ts";

export const STACK_USAGE = `Usage: shoal stack plan   [OPTIONS] [STACK]   what deploy would do; does nothing
       shoal stack deploy [OPTIONS] [STACK]   does it, and waits until all is healthy
       shoal stack diff   [OPTIONS] [STACK]   where the cluster is not as the files say; exit code 1 if it is not
       shoal stack rm     [OPTIONS] STACK     removes the stack; volumes stay

STACK is the stack's name; else the file's \`name\`.

-f, --file FILE        a stack file, - for standard input; several are merged (else compose.yaml and its kin)
    --env-file FILE    variables for \${…}; else .env beside the file. The environment comes before it
    --profile NAME     turn a profile on; * for all
    --prune            remove services that the files no longer name
    --resolve-image    always (default): pin what the registry has now; never: leave tags to the nodes
    --with-registry-auth  deploy: give services what \`docker login\` left, so that nodes may pull
    --detach           deploy: do not wait until all is healthy (dependencies are still waited for)
    --timeout SECONDS  deploy, rm: give up waiting (default 300)
    --host ADDRESS     the daemon; else $DOCKER_HOST, else unix:///run/shoal/docker.sock`;

/** What the machine gives a command. */
export interface StackParts {
  readonly clock: Clock;
  readonly env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
}

interface Words extends FileWords {
  readonly verb: string;
  readonly prune: boolean;
  readonly resolve: boolean;
  readonly detach: boolean;
  readonly logins: RegistryLogins;
  /** Services get the logins, so that nodes may pull. */
  readonly lend: boolean;
  readonly timeoutMs: number;
  readonly client: EngineClient;
}

const FAILED = 1;
const NO_IMAGES: ReadonlyMap<string, ImageFacts> = new Map();

/** `shoal stack …`; the exit code. */
export async function stackCommand(args: readonly string[], parts: StackParts): Promise<number> {
  const words = readWords(args, parts.env);
  if (words.verb === "rm") return remove(words, parts);
  const { stack, problems } = readStackFiles(words, parts.env);
  tell(problems, parts);
  if (stack === undefined) return FAILED;
  const contents = readContents(stack);
  const objects = await readObjects(words.client, stack.name);
  const warn = (sentence: string) => parts.err(`warning: ${sentence}\n`);
  const images = words.resolve ? await readImages(words.client, stack, words.logins, warn) : NO_IMAGES;
  const digests = new Map([...images].map(([image, { digest }]) => [image, digest]));
  const prune = words.prune || words.verb === "diff";
  const plan = planStack(stack, objects, contents, { prune, digests });
  tell(plan.problems, parts);
  if (plan.problems.some(({ severity }) => severity === "error")) return FAILED;
  if (words.verb === "plan") parts.out(printPlan(plan));
  else if (words.verb === "diff") parts.out(printDrift(plan));
  else await deploy(plan, images, words, parts);
  return words.verb === "diff" && plan.steps.length > 0 ? FAILED : 0;
}

async function deploy(
  plan: StackPlan,
  images: ReadonlyMap<string, ImageFacts>,
  words: Words,
  { clock, out }: StackParts,
): Promise<void> {
  const say = (line: string) => out(`${line}\n`);
  const logins = words.lend ? words.logins : undefined;
  const parts = { client: words.client, clock, images, logins, say };
  await timed(words, clock, (signal) =>
    new Deployment(plan, { ...parts, signal }).run({ wait: !words.detach }),
  );
  say(`stack ${plan.stack}: ${words.detach ? "deployed" : "all services are up"}`);
}

async function remove(words: Words, { clock, out }: StackParts): Promise<number> {
  const { name, client } = words;
  if (name === undefined) throw new Fault("invalid", "say which stack: shoal stack rm STACK");
  const say = (line: string) => out(`${line}\n`);
  await timed(words, clock, (signal) => removeStack(name, { client, clock, signal, say }));
  return 0;
}

/** Ends the signal after the time that the command was given. */
async function timed(words: Words, clock: Clock, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const timer = clock.after(words.timeoutMs, () => stop.abort());
  try {
    await run(stop.signal);
  } finally {
    timer.cancel();
  }
}

function tell(problems: readonly Problem[], { err }: StackParts): void {
  for (const problem of problems) err(`${formatProblem(problem)}\n`);
}

const VERBS = new Set(["plan", "deploy", "diff", "rm"]);
const many = { type: "string", multiple: true } as const;
const options = {
  file: { ...many, short: "f" },
  "compose-file": { ...many, short: "c" },
  "env-file": many,
  profile: many,
  prune: { type: "boolean" },
  "resolve-image": { type: "string" },
  "with-registry-auth": { type: "boolean" },
  detach: { type: "boolean", short: "d" },
  timeout: { type: "string" },
  host: { type: "string" },
} as const;

function readWords([verb = "", ...args]: readonly string[], env: NodeJS.ProcessEnv): Words {
  if (!VERBS.has(verb))
    throw new Fault("invalid", `there is no command stack ${verb}: see shoal stack --help`);
  const { values, positionals } = parsed(args);
  const [name, ...more] = positionals;
  if (more.length > 0) throw new Fault("invalid", `too many words: ${more.join(" ")}`);
  const seconds = Number(values.timeout ?? 300);
  if (!(seconds > 0)) throw new Fault("invalid", "a timeout is a number of seconds");
  const resolve = values["resolve-image"] ?? "always";
  if (resolve !== "always" && resolve !== "never")
    throw new Fault("invalid", `--resolve-image is always or never, not ${resolve}`);
  return {
    verb,
    name,
    files: [...(values.file ?? []), ...(values["compose-file"] ?? [])],
    envFiles: values["env-file"] ?? [],
    profiles: values.profile ?? [],
    prune: values.prune ?? false,
    resolve: resolve === "always",
    detach: values.detach ?? false,
    logins: RegistryLogins.read(env),
    lend: values["with-registry-auth"] ?? false,
    timeoutMs: seconds * 1000,
    client: new EngineClient(values.host ?? env["DOCKER_HOST"]),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new Fault("invalid", messageOf(error));
  }
}
