/** How many votes each choice has. */
export interface Counts {
  readonly a: number;
  readonly b: number;
}

/** Rows of `SELECT vote, COUNT(id) AS count … GROUP BY vote`; PostgreSQL's bigint comes as text. */
export function countsOf(rows: readonly { readonly vote: string; readonly count: string }[]): Counts {
  const of = (choice: string) => Number(rows.find((row) => row.vote === choice)?.count ?? 0);
  return { a: of("a"), b: of("b") };
}
