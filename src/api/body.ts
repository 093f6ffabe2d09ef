import type { IncomingMessage } from "node:http";
import { type Clock, Fault, messageOf, type Timer } from "../lib/index.ts";

export const MAX_JSON_BYTES: number = 2 << 20;
/** How long a JSON body may take in all. */
export const JSON_DEADLINE_MS = 30_000;
/** How long a streamed body (an image archive, of any size) may pause. */
export const BODY_IDLE_MS = 120_000;

/** The whole body as JSON; undefined when there is none. Fault "invalid", in Docker's words where it has some. */
export async function readJsonBody(
  { headers }: Pick<IncomingMessage, "headers">,
  chunks: AsyncIterable<Buffer>,
  clock: Clock,
): Promise<unknown> {
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== undefined && type !== "" && type !== "application/json") {
    throw new Fault("invalid", `unsupported Content-Type header (${type}): must be 'application/json'`);
  }
  if (Number(headers["content-length"] ?? 0) > MAX_JSON_BYTES) throw tooLong();
  const reason = `its body did not arrive in ${JSON_DEADLINE_MS / 1000} s`;
  return parse(await within(clock, JSON_DEADLINE_MS, reason, gather(chunks)));
}

async function gather(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_JSON_BYTES) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("invalid", `invalid JSON: ${reasonOf(cause)}`);
  }
}

/** Without the piece of the body that V8 quotes: it may be of a secret. */
function reasonOf(cause: unknown): string {
  return messageOf(cause).replace(/, (?:\.{3})?".*"(?:\.{3})? is not valid JSON$/s, " is no JSON here");
}

function tooLong(): Fault {
  return new Fault("invalid", `cannot read the request: its body is longer than ${MAX_JSON_BYTES} bytes`);
}

/** The body chunk by chunk; a Fault when it pauses too long or the client leaves in the middle. */
export async function* readBody(request: IncomingMessage, clock: Clock): AsyncGenerator<Uint8Array> {
  const iterator = chunksOf(request)[Symbol.asyncIterator]();
  const reason = `its body paused for ${BODY_IDLE_MS / 1000} s`;
  while (true) {
    const next = await within(clock, BODY_IDLE_MS, reason, iterator.next());
    if (next.done === true) return;
    yield next.value;
  }
}

/** The request as chunks. Leaving early does not destroy it: the answer still has to go out on the same socket. */
export function chunksOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false });
}

/** `work`'s result, or a Fault when it takes longer: the words are late, so they are wrong. */
async function within<T>(clock: Clock, ms: number, reason: string, work: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.after(ms, () => reject(new Fault("invalid", `cannot read the request: ${reason}`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer?.cancel();
  }
}
