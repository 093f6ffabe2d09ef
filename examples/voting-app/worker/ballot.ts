export interface Ballot {
  readonly voter_id: string;
  readonly vote: string;
}

/** Reads an entry of the list; undefined if it is no vote. */
export function parseBallot(text: string): Ballot | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { voter_id, vote } = value as Record<string, unknown>;
  if (typeof voter_id !== "string" || voter_id === "" || voter_id.length > 255) return undefined;
  return vote === "a" || vote === "b" ? { voter_id, vote } : undefined;
}
