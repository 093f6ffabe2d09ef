import { mode, object, type Read, text } from "./read.ts";

/** What a service says of a secret or config. */
export interface FileWords {
  source: string;
  target: string;
  uid: string;
  gid: string;
  mode: number;
}

const long = object<FileWords>("a reference to a secret or config", {
  source: text,
  target: text,
  uid: text,
  gid: text,
  mode,
});

export const fileReference: Read<Partial<FileWords>> = (tree, problems, at) => {
  if (tree.kind !== "scalar") {
    const words = long(tree, problems, at);
    return words !== undefined && words.source === undefined
      ? problems.error(tree.at, "this must say its source")
      : words;
  }
  const source = text(tree, problems, at);
  return source === undefined ? undefined : { source };
};
