import { Fault } from "../lib/index.ts";
import type { PortSpec } from "../model/index.ts";
import type { AssignedTask } from "./assignment-book.ts";

/** Numbers for host-mode ports that nobody chose, above those that Linux gives to outgoing connections. */
export const FREE_HOST_PORTS: { readonly first: number; readonly last: number } = {
  first: 61_000,
  last: 65_535,
};

type Ported = Pick<AssignedTask, "id" | "endpoint">;

/** The host-mode ports of this node's tasks, each with a number; the node's own business, as Docker has it. */
export class HostPorts {
  readonly #held = new Map<string, readonly PortSpec[]>();
  #next = FREE_HOST_PORTS.first;

  /** The task's ports: with the numbers it has, those it asks for, or free ones. Fault "unavailable" when none is left. */
  give(task: Ported): readonly PortSpec[] {
    const held = this.#held.get(task.id);
    if (held !== undefined) return held;
    const given: PortSpec[] = [];
    for (const port of hostModeOf(task)) {
      given.push(port.published === 0 ? { ...port, published: this.#free(port, given) } : port);
    }
    this.#held.set(task.id, given);
    return given;
  }

  /** A task that already runs with these numbers, as `numbersOf` wrote them; what cannot be read is given anew. */
  adopt(task: Ported, numbers: string): void {
    const published = numbers.split(" ").map(Number);
    const ports = hostModeOf(task);
    if (ports.length !== published.length || !published.every((n) => n > 0 && n <= FREE_HOST_PORTS.last))
      return;
    this.#held.set(
      task.id,
      ports.map((port, i) => ({ ...port, published: published[i] ?? 0 })),
    );
  }

  /** What a restarted agent finds them by; undefined when the task's words say all of them. */
  numbersOf(task: Ported): string | undefined {
    const isChosen = hostModeOf(task).some(({ published }) => published === 0);
    return isChosen
      ? this.portsOf(task.id)
          .map(({ published }) => published)
          .join(" ")
      : undefined;
  }

  portsOf(taskId: string): readonly PortSpec[] {
    return this.#held.get(taskId) ?? [];
  }

  release(taskId: string): void {
    this.#held.delete(taskId);
  }

  /** Next-fit: a number that was let go of rests as long as it can. */
  #free({ protocol }: PortSpec, given: readonly PortSpec[]): number {
    const { first, last } = FREE_HOST_PORTS;
    const all = [...this.#held.values(), given].flat().filter((port) => port.protocol === protocol);
    const taken = new Set(all.map(({ published }) => published));
    for (let tries = first; tries <= last; tries++) {
      const number = this.#next;
      this.#next = number === last ? first : number + 1;
      if (!taken.has(number)) return number;
    }
    throw new Fault("unavailable", "cannot attach task: this host has no free port");
  }
}

function hostModeOf({ endpoint }: Ported): readonly PortSpec[] {
  return endpoint.ports.filter(({ publishMode }) => publishMode === "host");
}
