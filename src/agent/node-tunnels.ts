import type { Kernel } from "../kernel/index.ts";
import { type Log, messageOf, type Random } from "../lib/index.ts";
import type { TunnelEnd } from "../model/index.ts";
import type { ClusterFacts } from "../network/index.ts";
import { Incarnation } from "./incarnation.ts";

export interface NodeTunnelsParts {
  readonly kernel: Pick<Kernel, "lackOfEncryption">;
  /** Where the node's tunnels end. */
  readonly address: string;
  /** Managers have to hear of the node's end anew. */
  introduce(): void;
  readonly random: Random;
  readonly log: Log;
}

/** This node as an end of encrypted tunnels: whether it can be one, and under which of its keys it may send. */
export class NodeTunnels {
  readonly #parts: NodeTunnelsParts;
  readonly #incarnation: Incarnation;
  /** Encrypted networks that managers told of. */
  #dark: ReadonlySet<string> = new Set();
  /** The ingress network is one of them, and cannot be made. */
  #isMeshOut = false;
  #lack = "the kernel has not been tried for encryption yet";

  constructor(parts: NodeTunnelsParts) {
    this.#parts = parts;
    this.#incarnation = new Incarnation(parts.random);
  }

  /** Tries the kernel. */
  async probe(): Promise<void> {
    const { kernel, log } = this.#parts;
    this.#lack = await kernel.lackOfEncryption().catch(messageOf);
    if (this.#lack !== "") log.info("no encrypted networks on this node", { reason: this.#lack });
  }

  get end(): TunnelEnd {
    return { boot: this.#incarnation.name, lack: this.#lack };
  }

  /**
   * What managers told, as it may be used: without encrypted networks where the kernel cannot encrypt, so that they are no
   * trouble of the others; and without keys that are used up, in whose place others are asked for.
   */
  admit(told: ClusterFacts): ClusterFacts {
    this.#dark = new Set(told.networks.filter(({ encrypted }) => encrypted).map(({ id }) => id));
    this.#isMeshOut = this.#lack !== "" && told.networks.some((n) => n.ingress && n.encrypted);
    if (this.#lack !== "" && this.#dark.size > 0)
      return { ...told, networks: told.networks.filter(({ id }) => !this.#dark.has(id)), encryption: [] };
    if (told.encryption === undefined) return told;
    const { peers, isShort } = this.#incarnation.admit(told.encryption);
    if (isShort) this.#renew("keys came back that were given up");
    return { ...told, encryption: peers };
  }

  /** Why the node's routing mesh does not carry, as half a sentence; undefined when it is no fault of the tunnels. */
  trouble(): string | undefined {
    return this.#isMeshOut ? `the ingress network is encrypted, and ${this.#lack}` : undefined;
  }

  /** Why nothing can run here on these networks, as half a sentence; undefined when it can. */
  objectionTo(networkIds: readonly string[]): string | undefined {
    const isDark = this.#lack !== "" && networkIds.some((id) => this.#dark.has(id));
    return isDark ? `its network is encrypted, and ${this.#lack}` : undefined;
  }

  /** What the kernel had lost and was given again, in its words: what was sent under is counted anew from there. */
  repaired(repairs: readonly string[]): void {
    const lost = `put xfrm state src ${this.#parts.address} `;
    if (repairs.some((repair) => repair.includes(lost))) this.#renew("the kernel had lost keys");
  }

  #renew(reason: string): void {
    this.#parts.log.info("asking for other keys of encrypted networks", { reason });
    this.#incarnation.renew();
    this.#parts.introduce();
  }
}
