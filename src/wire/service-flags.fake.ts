/** One idea of `docker service create` and `update`: flags of both that belong together. ENV_FILE stands for a file's path. */
export interface FlagExample {
  readonly about: string;
  readonly create: string;
  /** What follows the image. */
  readonly args?: string;
  /** Updates of the service that `create` made, one after the other. */
  readonly update: readonly string[];
}

/** A command line's words; single quotes keep spaces. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}

const SHORT: Readonly<Record<string, string>> = {
  "-d": "--detach",
  "-e": "--env",
  "-l": "--label",
  "-p": "--publish",
  "-q": "--quiet",
  "-t": "--tty",
  "-u": "--user",
  "-w": "--workdir",
};

/** The flags in a command line by their long names: "--tty" for "-t" and "--tty=false". */
export function flagsIn(line: string): string[] {
  return wordsOf(line)
    .map((word) => SHORT[word] ?? word.replace(/=.*/, ""))
    .filter((word) => /^--[a-z]/.test(word));
}
