import { formatProblem } from "./problem.ts";
import { readStack, type StackReading } from "./read-stack.ts";
import type { Json, Stack } from "./stack.ts";

export interface Given {
  readonly env?: Readonly<Record<string, string>>;
  /** The files that are merged; else the first of `files`. */
  readonly merged?: readonly string[];
  readonly profiles?: readonly string[];
  readonly envFiles?: readonly string[];
}

/** A stack `app` from files in memory: paths under /home/app. */
export function readFiles(files: Readonly<Record<string, string>>, given: Given = {}): StackReading {
  const folder = "/home/app";
  const all = new Map(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));
  const names = given.merged ?? Object.keys(files).slice(0, 1);
  const source = {
    files: names.map((name) => `${folder}/${name}`),
    folder,
    env: (name: string) => given.env?.[name],
    envFiles: given.envFiles ?? [],
    read: (path: string) => all.get(path),
  };
  return readStack(source, { name: "app", profiles: given.profiles ?? [] });
}

/** The stack of files that must be right; throws what is wrong with them. */
export function stackOf(files: Readonly<Record<string, string>>, given: Given = {}): Stack {
  const { stack, problems } = readFiles(files, given);
  if (stack === undefined) throw new Error(problems.map(formatProblem).join("\n"));
  return stack;
}

/** The problems as lines, without the folder. */
export function problemsOf(files: Readonly<Record<string, string>>, given: Given = {}): string[] {
  return readFiles(files, given).problems.map((one) => formatProblem(one).replaceAll("/home/app/", ""));
}

/** What a path of keys leads to in a service's spec. */
export function fieldOf(stack: Stack, service: string, ...path: readonly (string | number)[]): unknown {
  let value: unknown = stack.services.find(({ key }) => key === service)?.spec;
  for (const key of path) value = (value as Json | undefined)?.[key];
  return value;
}

export const containerOf = (stack: Stack, service: string, field: string): unknown =>
  fieldOf(stack, service, "TaskTemplate", "ContainerSpec", field);
