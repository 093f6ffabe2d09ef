import type { ApiRequest } from "./route.ts";

/** The words of an update's query. */
const QUERY_WORDS: ReadonlySet<string> = new Set([
  "version",
  "registryAuthFrom",
  "rollback",
  "rotateManagerToken",
  "rotateManagerUnlockKey",
  "rotateWorkerToken",
]);

/** The new spec in an update's body; without the words of the query, which dockerode says in both places. */
export async function updateBody(request: Pick<ApiRequest, "json">): Promise<unknown> {
  const body = await request.json();
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([key]) => !QUERY_WORDS.has(key)));
}
