import {
  createNodeKey,
  createRootCa,
  issueNodeCertificate,
  type NodeIdentity,
  type RootCa,
  requireIdentity,
} from "../identity/index.ts";
import type { Clock, Random } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";

/** A cluster's root and what it certifies, for tests of those who speak to each other. */
export class CertifiedCluster {
  readonly id: string;
  readonly root: RootCa;
  readonly #clock: Clock;

  private constructor(id: string, root: RootCa, clock: Clock) {
    this.id = id;
    this.root = root;
    this.#clock = clock;
  }

  static async create(id: string, parts: { clock: Clock; random: Random }): Promise<CertifiedCluster> {
    return new CertifiedCluster(id, await createRootCa(parts), parts.clock);
  }

  /** Another cluster id with the same root. */
  of(id: string): CertifiedCluster {
    return new CertifiedCluster(id, this.root, this.#clock);
  }

  /** What a node would certify that took itself for a root. */
  static under(cluster: CertifiedCluster, node: NodeIdentity, clock: Clock): CertifiedCluster {
    return new CertifiedCluster(
      cluster.id,
      { certificatePem: node.certificatePem, keyPem: node.keyPem },
      clock,
    );
  }

  /** A node's identity in force. */
  async identity(nodeId: string, role: NodeRole, validForMs = 3_600_000): Promise<NodeIdentity> {
    return requireIdentity(await this.unchecked(nodeId, role, validForMs), this.#clock.now());
  }

  /** The parts of an identity that may be out of force: `validForMs` may be negative. */
  async unchecked(
    nodeId: string,
    role: NodeRole,
    validForMs: number,
  ): Promise<Pick<NodeIdentity, "certificatePem" | "keyPem" | "rootPem">> {
    const { keyPem, csrPem } = await createNodeKey();
    const certificatePem = await issueNodeCertificate({
      root: this.root,
      csrPem,
      nodeId,
      role,
      clusterId: this.id,
      validForMs,
      now: this.#clock.now(),
    });
    return { certificatePem, keyPem, rootPem: this.root.certificatePem };
  }
}
