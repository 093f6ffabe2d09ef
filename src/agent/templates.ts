import { Fault, messageOf } from "../lib/index.ts";
import {
  type ContainerSpec,
  expandTemplate,
  type Mount,
  type NodeDescription,
  type TemplateContext,
  templateContextOf,
} from "../model/index.ts";
import type { AssignedTask } from "./assigned-task.ts";

type Texts = Readonly<Record<string, string>>;

/**
 * The task with the templates in its words expanded for this node, where Swarm does it (swarmkit template/expand.go): hostname,
 * values of the environment, mounts. Fault "invalid" with where, in Swarm's words, and why.
 */
export function expandTask(
  task: AssignedTask,
  node: Pick<NodeDescription, "hostname" | "platform">,
): AssignedTask {
  const container = expandContainer(task.spec.container, templateContextOf(task, node));
  return { ...task, spec: { ...task.spec, container } };
}

function expandContainer(container: ContainerSpec, context: TemplateContext): ContainerSpec {
  const expand = (where: string, text: string): string => {
    try {
      return expandTemplate(text, context);
    } catch (error) {
      throw new Fault("invalid", `expanding ${where} failed: ${messageOf(error)}`);
    }
  };
  return {
    ...container,
    env: container.env.map((line) => expandVariable(line, expand)),
    mounts: container.mounts.map((mount) => expandMount(mount, (text) => expand("mounts", text))),
    hostname: expand("hostname", container.hostname),
  };
}

/** "KEY=value": the value only. */
function expandVariable(line: string, expand: (where: string, text: string) => string): string {
  const end = line.indexOf("=");
  if (end < 0) return line;
  const key = line.slice(0, end);
  return `${key}=${expand(`env ${key}`, line.slice(end + 1))}`;
}

function expandMount(mount: Mount, expand: (text: string) => string): Mount {
  const [source, target] = [expand(mount.source), expand(mount.target)];
  if (mount.type !== "volume") return { ...mount, source, target };
  const all = (texts: Texts): Texts =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, expand(text)]));
  return { ...mount, source, target, labels: all(mount.labels), driverOptions: all(mount.driverOptions) };
}
