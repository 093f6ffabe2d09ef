import type { Node } from "./node.ts";
import type { Placement } from "./service.ts";

/** Go's names for what `uname -m` says. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm" };

/** True when one of the image's platforms is the node's; of an image that names none, always. An empty field fits any. */
export function fitsPlatform({ platforms }: Placement, { description }: Node): boolean {
  const have = description?.platform;
  return (
    platforms.length === 0 ||
    platforms.some(
      ({ os, architecture }) =>
        (os === "" || os === have?.os) &&
        (architecture === "" || normal(architecture) === normal(have?.architecture ?? "")),
    )
  );
}

function normal(architecture: string): string {
  return ARCHITECTURES[architecture] ?? architecture;
}
