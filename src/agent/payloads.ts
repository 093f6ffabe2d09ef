import { Fault, messageOf } from "../lib/index.ts";
import {
  expandPayload,
  type FileKind,
  type NamedFile,
  type NodeDescription,
  namedFilesOf,
  type PayloadSource,
  payloadText,
  placeOfFile,
  templateContextOf,
} from "../model/index.ts";
import type { FileContents } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { expandTask } from "./templates.ts";

/** What a secret or config holds, as managers say it. */
export interface Payload {
  readonly bytes: Uint8Array;
  /** It is what each task's own is made of. */
  readonly isTemplate: boolean;
}

/** Faults "not-found" for one that managers do not know. */
export type PayloadOf = (file: NamedFile) => Payload;
type Node = Pick<NodeDescription, "hostname" | "platform">;

/**
 * What the task finds in its files, by their place in the container: the data, or what its template makes on this node. Fault
 * "invalid" names the secret or config and the action that does not expand.
 */
export function fileContentsOf(task: AssignedTask, node: Node, payloadOf: PayloadOf): FileContents {
  const files = namedFilesOf(task.spec.container).map((file) => ({ file, payload: payloadOf(file) }));
  let expand: ((file: NamedFile, bytes: Uint8Array) => Uint8Array) | undefined;
  return new Map(
    files.map(({ file, payload: { bytes, isTemplate } }) => {
      if (isTemplate) expand ??= expanderFor(task, node, payloadOf);
      return [placeOfFile(file), isTemplate && expand !== undefined ? expand(file, bytes) : bytes];
    }),
  );
}

function expanderFor(task: AssignedTask, node: Node, payloadOf: PayloadOf) {
  const [context, source] = [templateContextOf(task, node), sourceOf(task, node, payloadOf)];
  return ({ kind, reference }: NamedFile, bytes: Uint8Array): Uint8Array => {
    try {
      return new TextEncoder().encode(expandPayload(payloadText(bytes, `the ${kind}`), context, source));
    } catch (error) {
      throw new Fault("invalid", `expanding ${kind} ${reference.name} failed: ${messageOf(error)}`);
    }
  };
}

/** As in Swarm, what a template gets of a secret or config is not expanded again, and variables are (swarmkit template/context.go). */
function sourceOf(task: AssignedTask, node: Node, payloadOf: PayloadOf): PayloadSource {
  const { container } = expandTask(task, node).spec;
  const held = (kind: FileKind) => (target: string) => {
    const found = namedFilesOf(container).find(
      (file) => file.kind === kind && file.reference.file.name === target,
    );
    if (found === undefined) throw new Fault("invalid", `${kind} target ${target} not found`);
    return payloadText(payloadOf(found).bytes, `${kind} ${found.reference.name}`);
  };
  const env = (name: string) => container.env.find((line) => line.startsWith(`${name}=`)) ?? `${name}=`;
  return {
    env: (name) => env(name).slice(name.length + 1),
    secret: held("secret"),
    config: held("config"),
  };
}
