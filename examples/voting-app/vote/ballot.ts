import { randomBytes } from "node:crypto";

/** What the list `votes` holds, as the original app has it. */
export interface Ballot {
  readonly voter_id: string;
  readonly vote: "a" | "b";
}

/** Who votes: by the cookie, or somebody new. */
export function voterOf(cookies: Readonly<Record<string, string>>): string {
  const known = cookies["voter_id"] ?? "";
  return /^[0-9a-f]{1,32}$/.test(known) ? known : randomBytes(8).toString("hex");
}

export function cookieOf(voter: string): string {
  return `voter_id=${voter}; Path=/; HttpOnly; SameSite=Lax`;
}

/** Undefined if it is no choice there is. */
export function ballotOf(voter: string, choice: string | null): Ballot | undefined {
  return choice === "a" || choice === "b" ? { voter_id: voter, vote: choice } : undefined;
}
