import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * The registry folder that `npm run images` made last in a checkout, if there is one (docs/images-offline.md):
 * `<checkout>/.cache/images/registry-<key>`. A folder counts as made or used when its own time says so.
 */
export function preparedImages(checkout: string): string | undefined {
  const cache = join(checkout, ".cache/images");
  if (!existsSync(cache)) return undefined;
  const made = readdirSync(cache)
    .filter((name) => name.startsWith("registry-"))
    .map((name) => ({ folder: join(cache, name), time: statSync(join(cache, name)).mtimeMs }));
  return made.sort((a, b) => b.time - a.time)[0]?.folder;
}
