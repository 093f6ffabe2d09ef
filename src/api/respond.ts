import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { roomIn } from "./room.ts";
import type { ApiResponse } from "./route.ts";

/** Sends an answer. Rejects when a stream breaks in the middle: what was written may still go out, and then the connection has to be cut. */
export async function respond(
  response: ServerResponse,
  answer: ApiResponse,
  signal: AbortSignal,
): Promise<void> {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  switch (answer.kind) {
    case "json":
      return sendText(response, "application/json", `${JSON.stringify(answer.body)}\n`);
    case "json-list":
      return sendText(response, "application/json", `[${answer.items.join(",")}]\n`);
    case "text":
      return sendText(response, "text/plain; charset=utf-8", answer.body);
    case "empty":
      response.end();
      return;
    case "stream":
      response.setHeader("content-type", answer.contentType);
      response.flushHeaders();
      return sendStream(response, answer.chunks, signal);
    case "hijack":
      return sendHijacked(response, answer);
  }
}

/** Of a client that did not ask for the connection: it is to have no input, and reads to the end. */
async function sendHijacked(
  response: ServerResponse,
  { contentType, serve }: Extract<ApiResponse, { kind: "hijack" }>,
): Promise<void> {
  response.setHeader("content-type", contentType);
  response.setHeader("connection", "close");
  response.useChunkedEncodingByDefault = false;
  response.flushHeaders();
  const write = (chunk: Uint8Array): Promise<void> | undefined => {
    if (response.destroyed || response.write(Buffer.from(chunk))) return undefined;
    return roomIn(response);
  };
  try {
    await serve({ input: (async function* () {})(), write });
  } finally {
    response.end();
  }
}

/** Node itself leaves the body out of an answer to HEAD. */
function sendText(response: ServerResponse, type: string, body: string): void {
  const bytes = Buffer.from(body);
  response.setHeader("content-type", type);
  response.setHeader("content-length", bytes.length);
  response.end(bytes);
}

/** One chunk at a time, no faster than the client reads; ends early, and tells the source, when the signal aborts. */
async function sendStream(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of untilAborted(chunks, signal)) {
    if (chunk.length > 0 && !response.write(chunk)) await drained(response, signal);
  }
  response.end();
}

async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await once(response, "drain", { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The items until the signal aborts, even while the source says nothing; the source is then told to stop. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let wake: () => void = () => {};
  const stopped = new Promise<undefined>((resolve) => {
    wake = () => resolve(undefined);
  });
  signal.addEventListener("abort", wake, { once: true });
  if (signal.aborted) wake();
  let isDone = false;
  try {
    while (true) {
      const next = await Promise.race([stopped, iterator.next()]);
      if (next === undefined || signal.aborted) return;
      if (next.done === true) {
        isDone = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", wake);
    if (!isDone) iterator.return?.().then(undefined, () => {});
  }
}
