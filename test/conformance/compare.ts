/** Lines that one side alone printed, at one place. */
export interface Hunk {
  readonly docker: readonly string[];
  readonly shoal: readonly string[];
}

/** Where two texts differ, line by line: the shortest way from one to the other (longest common subsequence). */
export function hunksOf(docker: string, shoal: string): Hunk[] {
  const [left, right] = [linesOf(docker), linesOf(shoal)];
  const common = commonLengths(left, right);
  const hunks: Hunk[] = [];
  let open: { docker: string[]; shoal: string[] } | undefined;
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    if (i < left.length && left[i] === right[j]) {
      open = undefined;
      i++;
      j++;
      continue;
    }
    if (open === undefined) {
      open = { docker: [], shoal: [] };
      hunks.push(open);
    }
    const isLeft = j >= right.length || (i < left.length && at(common, i + 1, j) >= at(common, i, j + 1));
    if (isLeft) open.docker.push(left[i++] ?? "");
    else open.shoal.push(right[j++] ?? "");
  }
  return hunks;
}

const linesOf = (text: string) => (text === "" ? [] : text.split("\n"));

const at = (table: readonly (readonly number[])[], i: number, j: number) => table[i]?.[j] ?? 0;

/** For each pair of places, how many lines are common to both rests. */
function commonLengths(left: readonly string[], right: readonly string[]): number[][] {
  const table = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      const row = table[i] ?? [];
      row[j] =
        left[i] === right[j]
          ? at(table, i + 1, j + 1) + 1
          : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  }
  return table;
}
