import type { Secret, Service } from "../../src/model/index.ts";
import { aSecret, aService, aTaskSpec } from "../../src/model/objects.fake.ts";

/** What a worker in an attacker's hand may have, what another node's task has, and what none has. */
export const own: Secret = aSecret("own");
export const others: Secret = aSecret("others");
export const spare: Secret = aSecret("spare");

function wanting(name: string, { id, spec }: Secret): Service {
  const reference = { id, name: spec.name, file: { name: spec.name, uid: 0, gid: 0, mode: 0o444 } };
  return aService(name, {
    task: { ...aTaskSpec, container: { ...aTaskSpec.container, secrets: [reference] } },
  });
}

/** Whose tasks have them. */
export const mine: Service = wanting("mine", own);
export const theirs: Service = wanting("theirs", others);

/** As an object is before the store has it. */
export const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
