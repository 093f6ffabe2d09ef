import { caDigest, formatToken, issueNodeCertificate, tokenGrants } from "../identity/index.ts";
import { type Clock, Fault, newId, type Random } from "../lib/index.ts";
import { type Availability, type Cluster, type Node, type NodeRole, newMeta, put } from "../model/index.ts";
import type { CertificatesService, IssueRequest, PeerIdentity } from "../rpc/index.ts";
import type { Store } from "../store/index.ts";

/** Admits nodes: a join token buys a certificate and a node object; a certificate in force buys its successor. */
export class Certificates implements CertificatesService {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor({ store, clock, random }: { store: Store; clock: Clock; random: Random }) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  async getRoot(): Promise<{ certificatePem: string }> {
    return { certificatePem: this.#cluster().rootCa.certificatePem };
  }

  /** A new node of the role that the token stands for. Fault "forbidden" for any other token. */
  async issue(
    request: IssueRequest,
    peer: { address: string },
  ): Promise<{
    nodeId: string;
    certificatePem: string;
    rootPem: string;
  }> {
    const role = tokenGrants(request.token, joinTokens(this.#cluster()));
    if (role === undefined)
      throw new Fault("invalid", "A valid join token is necessary to join this cluster");
    if (role === "manager") {
      throw new Fault("unsupported", "cannot join as a manager: more than one manager is not supported yet");
    }
    const nodeId = newId(this.#random);
    const issued = await this.#sign(request.csrPem, nodeId, role);
    const availability = (request.availability || "active") as Availability;
    await this.#store.update([put("node", this.newNode(nodeId, role, availability, peer.address))]);
    return { nodeId, ...issued };
  }

  /** The same node's next certificate, with the role it has now. */
  async renew(
    request: { csrPem: string },
    peer: PeerIdentity,
  ): Promise<{ certificatePem: string; rootPem: string }> {
    const node = this.#store.view.get("node", peer.nodeId);
    if (node === undefined)
      throw new Fault("forbidden", `node ${peer.nodeId} is not part of this cluster any more`);
    return this.#sign(request.csrPem, node.id, node.role);
  }

  /** A node object as it is before its first session. */
  newNode(id: string, role: NodeRole, availability: Availability, address: string): Node {
    return {
      ...newMeta(id, this.#clock.now()),
      spec: { labels: {}, role, availability },
      role,
      status: { state: "unknown", message: "waiting for its first session", address },
      dataPathAddress: address,
      attachments: {},
    };
  }

  async #sign(
    csrPem: string,
    nodeId: string,
    role: NodeRole,
  ): Promise<{ certificatePem: string; rootPem: string }> {
    const cluster = this.#cluster();
    const certificatePem = await issueNodeCertificate({
      root: cluster.rootCa,
      csrPem,
      nodeId,
      role,
      clusterId: cluster.id,
      validForMs: cluster.spec.nodeCertExpiryMs,
      now: this.#clock.now(),
    });
    return { certificatePem, rootPem: cluster.rootCa.certificatePem };
  }

  #cluster(): Cluster {
    const cluster = this.#store.view.cluster();
    if (cluster === undefined) throw new Fault("unavailable", "this manager has no cluster yet");
    return cluster;
  }
}

/** The cluster's two join tokens in full. */
export function joinTokens(cluster: Cluster): { worker: string; manager: string } {
  const digest = caDigest(cluster.rootCa.certificatePem);
  return {
    worker: formatToken(digest, cluster.joinSecrets.worker),
    manager: formatToken(digest, cluster.joinSecrets.manager),
  };
}
