import { checked, libc } from "./libc.ts";

/** prctl(2). */
const PR_SET_DUMPABLE = 4;

/** From now on this process leaves no core when it breaks, whatever its limits are: its memory has secrets in it. */
export function forbidCore(): void {
  checked(libc().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "forbid cores of this process");
}
