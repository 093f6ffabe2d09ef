import { Fault } from "../lib/index.ts";
import type { PortSpec, Protocol } from "../model/index.ts";
import type { Owner } from "./gateway-addresses.ts";

/** Numbers for host-mode ports that nobody chose, above those that Linux gives to outgoing connections. */
export const FREE_HOST_PORTS: { readonly first: number; readonly last: number } = {
  first: 61_000,
  last: 65_535,
};

const NONE: ReadonlySet<string> = new Set();

/** A task, as far as its ports go. */
interface Ported {
  readonly id: string;
  readonly endpoint: { readonly ports: readonly PortSpec[] };
}

/** A port of the host that leads to one sandbox. */
export interface HostPort extends PortSpec {
  /** The host's address that it is at; absent: all of them. */
  readonly hostAddress?: string;
}

/** What a container made by hand asks for; `published` 0: any free one. */
export interface WantedPort extends Pick<HostPort, "protocol" | "target" | "published" | "hostAddress"> {
  /** Any free one from `published` to this one. */
  readonly publishedLast?: number;
}

interface Held {
  readonly owner: Owner;
  readonly ports: readonly HostPort[];
}

/**
 * The one book of this host's ports that lead to its sandboxes: the host-mode ports of tasks, and those of containers made by hand,
 * each with a number; the node's own business, as Docker has it.
 */
export class HostPorts {
  readonly #held = new Map<string, Held>();
  #next = FREE_HOST_PORTS.first;

  /**
   * The task's ports: with the numbers it has, those it asks for, or free ones. `inUse`: what programs of the host have, as
   * "tcp/8080". Faults: "conflict" when one that it asks for is among them; "unavailable" when none is free.
   */
  give(task: Ported, inUse: ReadonlySet<string> = NONE): readonly PortSpec[] {
    return this.#give({ id: task.id, owner: "task" }, hostModeOf(task), (port, given) => {
      if (inUse.has(keyOf(port))) throw new Fault("conflict", takenText(port, "another program"));
      if (this.#isTaken(port, "container"))
        throw new Fault("conflict", takenText(port, "a container made by hand"));
      return this.#numbered(port, given, inUse);
    });
  }

  /**
   * The same for a container made by hand. `inUse`: as the kernel tells it, "tcp/8080" and "tcp/8080@127.0.0.1". Fault "conflict" in
   * Docker's words (moby libnetwork/portallocator).
   */
  giveContainer(
    id: string,
    wanted: readonly WantedPort[],
    inUse: ReadonlySet<string> = NONE,
  ): readonly HostPort[] {
    // Who leaves us a choice comes after those who do not.
    const ports = [...wanted].sort((a, b) => choiceOf(a) - choiceOf(b));
    return this.#give({ id, owner: "container" }, ports, (port, given) => {
      const isFree = (one: HostPort) =>
        !(given.some((other) => clash(other, one)) || isInUse(one, inUse) || this.#isTaken(one));
      const found = candidatesOf(port).find(isFree);
      if (found === undefined) throw new Fault("conflict", boundText(port));
      return this.#numbered(found, given, inUse);
    });
  }

  /** A task that already runs with these numbers, as `numbersOf` wrote them; what cannot be read is given anew. */
  adopt(task: Ported, numbers: string): void {
    const published = numbers.split(" ").map(Number);
    const ports = hostModeOf(task);
    if (ports.length !== published.length || !published.every((n) => n > 0 && n <= FREE_HOST_PORTS.last))
      return;
    this.#held.set(task.id, {
      owner: "task",
      ports: ports.map((port, i) => ({ ...port, published: published[i] ?? 0 })),
    });
  }

  /** A container made by hand that runs already with these ports. */
  adoptContainer(id: string, ports: readonly WantedPort[]): void {
    this.#held.set(id, { owner: "container", ports: ports.map(hostPortOf) });
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

  /** Whether a container made by hand has this port, "tcp/8080", at some address. */
  isContainers(port: string): boolean {
    return [...this.#held.values()].some(
      ({ owner, ports }) => owner === "container" && ports.some((held) => keyOf(held) === port),
    );
  }

  portsOf(id: string): readonly HostPort[] {
    return this.#held.get(id)?.ports ?? [];
  }

  release(id: string): void {
    this.#held.delete(id);
  }

  /** Forgets what one owner holds: it begins anew, and says what is still there. */
  startOver(owner: Owner): void {
    for (const [id, held] of this.#held) if (held.owner === owner) this.#held.delete(id);
  }

  /** All or nothing. `choose` says which number a port gets, and throws when it cannot be had. */
  #give<Wanted>(
    to: { readonly id: string; readonly owner: Owner },
    wanted: readonly Wanted[],
    choose: (port: Wanted, given: readonly HostPort[]) => HostPort,
  ): readonly HostPort[] {
    const held = this.#held.get(to.id);
    if (held !== undefined) return held.ports;
    const given: HostPort[] = [];
    for (const port of wanted) given.push(choose(port, given));
    this.#held.set(to.id, { owner: to.owner, ports: given });
    return given;
  }

  /** With the number that it asks for, or any free one. */
  #numbered(port: HostPort, given: readonly HostPort[], inUse: ReadonlySet<string>): HostPort {
    return port.published === 0 ? { ...port, published: this.#free(port, given, inUse) } : port;
  }

  /** Next-fit: a number that was let go of rests as long as it can. */
  #free({ protocol }: HostPort, given: readonly HostPort[], inUse: ReadonlySet<string>): number {
    const { first, last } = FREE_HOST_PORTS;
    for (let tries = first; tries <= last; tries++) {
      const published = this.#next;
      this.#next = published === last ? first : published + 1;
      if (!inUse.has(keyOf({ protocol, published })) && !this.#isHeld(protocol, published, given))
        return published;
    }
    throw new Fault("unavailable", "cannot attach task: this host has no free port");
  }

  #isHeld(protocol: Protocol, published: number, given: readonly HostPort[]): boolean {
    const isIn = (ports: readonly HostPort[]) =>
      ports.some((port) => port.published === published && port.protocol === protocol);
    return isIn(given) || [...this.#held.values()].some(({ ports }) => isIn(ports));
  }

  /** Whether a sandbox of the owner, or of anybody, has it. */
  #isTaken(port: HostPort, owner?: Owner): boolean {
    return [...this.#held.values()].some(
      (held) => (owner === undefined || held.owner === owner) && held.ports.some((of) => clash(of, port)),
    );
  }
}

/** How all addresses may be said. */
const EVERY_ADDRESS = ["", "0.0.0.0", "::"];

/** 0 for one number, 1 for one of a range, 2 for any. */
function choiceOf({ published, publishedLast }: WantedPort): number {
  if (published === 0) return 2;
  return publishedLast === undefined ? 0 : 1;
}

/** One for each number that will do, the lowest first. */
function candidatesOf(port: WantedPort): HostPort[] {
  const { published, publishedLast = published } = port;
  const count = Math.max(0, publishedLast - published) + 1;
  return Array.from({ length: count }, (_, i) => hostPortOf({ ...port, published: published + i }));
}

function hostPortOf({ hostAddress = "", publishedLast: _, ...port }: WantedPort): HostPort {
  const at = EVERY_ADDRESS.includes(hostAddress) ? {} : { hostAddress };
  return { name: "", publishMode: "host", ...port, ...at };
}

/** Whether a program has it: at its address, or at all of them; any program, where it is for all addresses itself. */
function isInUse({ hostAddress, ...port }: HostPort, inUse: ReadonlySet<string>): boolean {
  const key = keyOf(port);
  return hostAddress === undefined
    ? inUse.has(key)
    : inUse.has(`${key}@${hostAddress}`) || inUse.has(`${key}@*`);
}

/** One number of one protocol at one address, where no address is all of them; 0 is no number yet. */
function clash(a: HostPort, b: HostPort): boolean {
  const isSame = a.protocol === b.protocol && a.published === b.published && a.published !== 0;
  return isSame && (a.hostAddress ?? b.hostAddress) === (b.hostAddress ?? a.hostAddress);
}

const keyOf = ({ protocol, published }: Pick<PortSpec, "protocol" | "published">): string =>
  `${protocol}/${published}`;

const takenText = ({ published, protocol }: PortSpec, by: string): string =>
  `cannot publish port: port ${published}/${protocol} is in use on this node by ${by}`;

const boundText = ({ published, publishedLast, hostAddress = "" }: WantedPort): string => {
  const at = EVERY_ADDRESS.includes(hostAddress) ? "0.0.0.0" : hostAddress;
  return publishedLast === undefined
    ? `Bind for ${at}:${published} failed: port is already allocated`
    : `Bind for ${at}:${published}-${publishedLast} failed: all ports are allocated`;
};

/** The task's ports in host mode, as its words have them. */
export function hostModeOf({ endpoint }: Ported): readonly PortSpec[] {
  return endpoint.ports.filter(({ publishMode }) => publishMode === "host");
}
