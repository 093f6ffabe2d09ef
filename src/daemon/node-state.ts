import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, messageOf } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";

/** What a member node must remember to come back as itself. Keys and certificates are identity's, beside it. */
export interface NodeState {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: NodeRole;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  /** The cluster's VXLAN port, as last heard. */
  readonly dataPathPort: number;
  /** Managers: "0.0.0.0:2377". */
  readonly listenAddress: string;
  readonly managers: readonly string[];
}

/** The swarm folder of a node: `<data-root>/swarm`. */
export class NodeStateFile {
  readonly folder: string;

  constructor(dataRoot: string) {
    this.folder = join(dataRoot, "swarm");
  }

  get #file(): string {
    return join(this.folder, "node.json");
  }

  /** Whether the node is in a swarm, be it that its state cannot be read. */
  exists(): boolean {
    return existsSync(this.#file);
  }

  /** The state; undefined when the node is in no swarm. Fault "internal" when the file is unreadable. */
  load(): NodeState | undefined {
    if (!existsSync(this.#file)) return undefined;
    try {
      return JSON.parse(readFileSync(this.#file, "utf8")) as NodeState;
    } catch (cause) {
      throw new Fault("internal", `cannot read ${this.#file}: ${messageOf(cause)}`, { cause });
    }
  }

  save(state: NodeState): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#file}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Forgets the swarm: state, keys, store. */
  wipe(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
