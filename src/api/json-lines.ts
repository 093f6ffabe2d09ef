import { type ApiResponse, stream } from "./route.ts";

/** A stream of JSON values, one a line, each sent as soon as it is there. */
export function jsonLines(values: AsyncIterable<unknown>): ApiResponse {
  return stream("application/json", encode(values));
}

async function* encode(values: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const value of values) yield Buffer.from(`${JSON.stringify(value)}\n`);
}
