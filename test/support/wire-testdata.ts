import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FlagExample } from "../../src/wire/service-flags.fake.ts";

const folder = join(import.meta.dirname, "../../src/wire/testdata");

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}

/** Together they use every flag of `docker service create` and `update`. */
export const FLAG_EXAMPLES: readonly FlagExample[] = read("service-flags.json");

interface Recording {
  readonly requests: Readonly<
    Record<string, readonly { readonly command: string; readonly body: unknown }[]>
  >;
}

/** What stock CLIs sent, version by version: of "service-create" and the like. */
export function bodiesOf(kind: string): unknown[] {
  return ["docker-cli-28.2.2.json", "service-flags-28.2.2.json"].flatMap((name) => {
    const { requests } = read<Recording>(name);
    return (requests[kind] ?? []).map(({ body }) => body);
  });
}
