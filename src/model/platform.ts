import { normalArchitecture } from "./constraint.ts";
import type { Node } from "./node.ts";
import type { Placement } from "./service.ts";

/** True when one of the image's platforms is the node's; of an image that names none, always. An empty field fits any. */
export function fitsPlatform({ platforms }: Placement, { description }: Node): boolean {
  if (platforms.length === 0) return true;
  const have = description?.platform;
  const architectureHere = normalArchitecture(have?.architecture ?? "");
  return platforms.some(
    ({ os, architecture }) =>
      (os === "" || os === have?.os) &&
      (architecture === "" || normalArchitecture(architecture) === architectureHere),
  );
}
