/** Where in a file something is said; lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a file ("error": nothing is deployed) or will not do what it says ("warning"). */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly at: Position;
  readonly message: string;
}

/** Collects what is found while files are read, so that one run tells all of it. */
export class Problems {
  readonly #found: Problem[] = [];

  error(at: Position, message: string): undefined {
    this.#add({ severity: "error", at, message });
  }

  warn(at: Position, message: string): undefined {
    this.#add({ severity: "warning", at, message });
  }

  /** A service that others extend is read more than once; what is wrong with it is told once. */
  #add(problem: Problem): void {
    const said = formatProblem(problem);
    if (!this.#found.some((one) => formatProblem(one) === said)) this.#found.push(problem);
  }

  get failed(): boolean {
    return this.#found.some(({ severity }) => severity === "error");
  }

  /** By file as they were read, then by place. */
  list(): readonly Problem[] {
    const files = [...new Set(this.#found.map(({ at }) => at.file))];
    return this.#found.toSorted(
      (a, b) =>
        files.indexOf(a.at.file) - files.indexOf(b.at.file) ||
        a.at.line - b.at.line ||
        a.at.column - b.at.column,
    );
  }
}

export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** `stack.yml:3:5: error: …`, as editors read it. */
export function formatProblem({ severity, at, message }: Problem): string {
  return `${formatPosition(at)}: ${severity}: ${message}`;
}
