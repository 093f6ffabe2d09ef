import type { InitRequest } from "../api/index.ts";
import { createNodeKey, issueNodeCertificate, requireIdentity } from "../identity/index.ts";
import { Fault, newId } from "../lib/index.ts";
import { Manager } from "../manager/index.ts";
import { put } from "../model/index.ts";
import { resolveAddresses } from "./addresses.ts";
import { ClusterStore } from "./cluster-store.ts";
import { ownSubnets } from "./local-networks.ts";
import type { MemberStart } from "./member.ts";
import type { NodeParts } from "./node-parts.ts";

/**
 * A new cluster with this node as its one manager: store, root CA, tokens, ingress network, the node's own certificate.
 * Faults: "invalid" for addresses, pools and ports; "unavailable" when etcd cannot start.
 */
export async function foundCluster(
  parts: NodeParts,
  folder: string,
  request: InitRequest,
): Promise<Omit<MemberStart, "listener"> & { readonly cluster: ClusterStore }> {
  if (request.forceNewCluster) {
    throw new Fault("unsupported", "cannot force a new cluster: it is not supported yet");
  }
  const addresses = resolveAddresses(parts.config, request);
  const { clock, random, log, config } = parts;
  const cluster = await ClusterStore.open({ folder, runDir: config["exec-root"], clock, log });
  try {
    const manager = new Manager({ store: cluster.store, clock, random, log, ownSubnets: ownSubnets(config) });
    const {
      id: clusterId,
      rootCa,
      spec,
      dataPathPort,
    } = await manager.cluster.create(choiceOf(parts, request));
    const nodeId = newId(random);
    const { keyPem, csrPem } = await createNodeKey();
    const wanted = { nodeId, role: "manager", clusterId } as const;
    const certificatePem = await issueNodeCertificate({
      ...wanted,
      root: rootCa,
      csrPem,
      validForMs: spec.nodeCertExpiryMs,
      now: clock.now(),
    });
    const { advertiseAddress, dataPathAddress, listenAddress, managerAddress } = addresses;
    const node = manager.certificates.newNode(nodeId, "manager", request.availability, advertiseAddress);
    await cluster.store.update([put("node", { ...node, dataPathAddress, managerAddress })]);
    const identity = requireIdentity({ certificatePem, keyPem, rootPem: rootCa.certificatePem }, clock.now());
    const managers = [managerAddress];
    const state = { ...wanted, advertiseAddress, dataPathAddress, dataPathPort, listenAddress, managers };
    return { folder, state, identity, cluster };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

function choiceOf({ config }: NodeParts, request: InitRequest): Parameters<Manager["cluster"]["create"]>[0] {
  const pools = request.addressPools.length > 0 ? request.addressPools : config["default-addr-pools"];
  return {
    spec: request.spec,
    addressPools: pools,
    subnetSize: request.subnetSize || (config["default-addr-pool-size"] ?? 0),
    dataPathPort: request.dataPathPort,
  };
}
