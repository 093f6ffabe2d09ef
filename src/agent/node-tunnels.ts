import type { PeerKeys } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Log, messageOf, type Random } from "../lib/index.ts";
import type { TunnelEnd } from "../model/index.ts";
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

  /** Keys from managers as they may be used; others are asked for where what came is used up. */
  admit(keys: readonly PeerKeys[]): readonly PeerKeys[] {
    const { peers, isShort } = this.#incarnation.admit(keys);
    if (isShort) this.#renew("keys came back that were given up");
    return peers;
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
