import type { z } from "zod";
import type { Privileges } from "../model/index.ts";
import { flag, goStruct, maybe, oneOf, text, unserved } from "./json.ts";

const seccomp = goStruct({
  Mode: oneOf("seccomp mode", ["default", "unconfined", "custom"], "default"),
  Profile: text,
}).transform((wire) => ({ mode: wire.Mode, profile: wire.Profile }));

const appArmor = goStruct({ Mode: oneOf("AppArmor mode", ["default", "disabled"], "default") }).transform(
  (wire) => wire.Mode,
);

/** `Privileges`: undefined when absent. */
export const privilegesSchema: z.ZodType<Privileges | undefined> = maybe(
  goStruct({
    CredentialSpec: unserved(
      "cannot use --credential-spec: it names a managed service account of Windows, and nodes run Linux",
    ),
    SELinuxContext: unserved(
      "cannot use Privileges.SELinuxContext: nodes give processes and files no SELinux labels",
    ),
    Seccomp: maybe(seccomp),
    AppArmor: maybe(appArmor),
    NoNewPrivileges: flag,
  }).transform(
    (wire): Privileges => ({
      noNewPrivileges: wire.NoNewPrivileges,
      ...(wire.Seccomp !== undefined && { seccomp: wire.Seccomp }),
      ...(wire.AppArmor !== undefined && { appArmor: wire.AppArmor }),
    }),
  ),
);

/** Privileges in Docker's JSON. */
export function privilegesToWire(privileges: Privileges): Record<string, unknown> {
  const { seccomp: filter, appArmor: profile } = privileges;
  return {
    CredentialSpec: null,
    SELinuxContext: null,
    ...(filter !== undefined && {
      Seccomp: { Mode: filter.mode, ...(filter.profile !== "" && { Profile: filter.profile }) },
    }),
    ...(profile !== undefined && { AppArmor: { Mode: profile } }),
    NoNewPrivileges: privileges.noNewPrivileges,
  };
}
