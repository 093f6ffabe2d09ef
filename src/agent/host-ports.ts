import { Fault } from "../lib/index.ts";
import type { PortSpec, Protocol } from "../model/index.ts";
import type { AssignedTask } from "./assignment-book.ts";

/** Numbers for host-mode ports that nobody chose, above those that Linux gives to outgoing connections. */
export const FREE_HOST_PORTS: { readonly first: number; readonly last: number } = {
  first: 61_000,
  last: 65_535,
};

const NONE: ReadonlySet<string> = new Set();

type Ported = Pick<AssignedTask, "id" | "endpoint">;

/** The host-mode ports of this node's tasks, each with a number; the node's own business, as Docker has it. */
export class HostPorts {
  readonly #held = new Map<string, readonly PortSpec[]>();
  #next = FREE_HOST_PORTS.first;

  /**
   * The task's ports: with the numbers it has, those it asks for, or free ones. `inUse`: what programs of the host have, as
   * "tcp/8080". Faults: "conflict" when one that it asks for is among them; "unavailable" when none is free.
   */
  give(task: Ported, inUse: ReadonlySet<string> = NONE): readonly PortSpec[] {
    const held = this.#held.get(task.id);
    if (held !== undefined) return held;
    const given: PortSpec[] = [];
    for (const port of hostModeOf(task)) {
      if (inUse.has(keyOf(port))) throw new Fault("conflict", takenText(port));
      given.push(port.published === 0 ? { ...port, published: this.#free(port, given, inUse) } : port);
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
  #free({ protocol }: PortSpec, given: readonly PortSpec[], inUse: ReadonlySet<string>): number {
    const { first, last } = FREE_HOST_PORTS;
    for (let tries = first; tries <= last; tries++) {
      const published = this.#next;
      this.#next = published === last ? first : published + 1;
      if (!inUse.has(keyOf({ protocol, published })) && !this.#isHeld(protocol, published, given))
        return published;
    }
    throw new Fault("unavailable", "cannot attach task: this host has no free port");
  }

  #isHeld(protocol: Protocol, published: number, given: readonly PortSpec[]): boolean {
    const isIn = (ports: readonly PortSpec[]) =>
      ports.some((port) => port.published === published && port.protocol === protocol);
    return isIn(given) || [...this.#held.values()].some(isIn);
  }
}

const keyOf = ({ protocol, published }: Pick<PortSpec, "protocol" | "published">): string =>
  `${protocol}/${published}`;

const takenText = ({ published, protocol }: PortSpec): string =>
  `cannot publish port: port ${published}/${protocol} is in use on this node by another program`;

/** The task's ports in host mode, as its words have them. */
export function hostModeOf({ endpoint }: Ported): readonly PortSpec[] {
  return endpoint.ports.filter(({ publishMode }) => publishMode === "host");
}
