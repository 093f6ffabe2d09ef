import type { Problems } from "./problem.ts";
import type { Said } from "./read.ts";
import type { Json } from "./stack.ts";

const KNOWN: Readonly<Record<string, Json>> = {
  "no-new-privileges": { NoNewPrivileges: true },
  "no-new-privileges:true": { NoNewPrivileges: true },
  "no-new-privileges=true": { NoNewPrivileges: true },
  "no-new-privileges:false": {},
  "seccomp:unconfined": { Seccomp: { Mode: "unconfined" } },
  "seccomp=unconfined": { Seccomp: { Mode: "unconfined" } },
  "apparmor:unconfined": { AppArmor: { Mode: "disabled" } },
  "apparmor=unconfined": { AppArmor: { Mode: "disabled" } },
};

/** `security_opt`, which the docker CLI drops: what a swarm's API has words for is honoured, the rest is warned of. */
export function securityOptions(options: readonly Said<string>[], problems: Problems): Json {
  let privileges: Json = {};
  for (const { value, at } of options) {
    const known = KNOWN[value];
    if (known === undefined) problems.warn(at, `the security option ${value} is ignored: a swarm has none`);
    privileges = { ...privileges, ...known };
  }
  return privileges;
}
