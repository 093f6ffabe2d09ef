import type { JoinRequest } from "../api/index.ts";
import { createNodeKey, parseToken, requireIdentity } from "../identity/index.ts";
import { Fault } from "../lib/index.ts";
import { DEFAULT_DATA_PATH_PORT } from "../model/index.ts";
import { fetchRoot, issueCertificate } from "../rpc/index.ts";
import { resolveAddresses, splitAddress } from "./addresses.ts";
import type { MemberStart } from "./member.ts";
import type { NodeParts } from "./node-parts.ts";

/**
 * A certificate for this node from the first manager that answers, its root pinned by the token's digest.
 * Faults: "invalid" for the token; the manager's own words; what the last manager failed with.
 */
export async function joinCluster(
  parts: NodeParts,
  request: JoinRequest,
  signal: AbortSignal,
): Promise<Omit<MemberStart, "listener" | "folder">> {
  const { digest } = parseToken(request.token);
  const { advertiseAddress, dataPathAddress, listenAddress } = resolveAddresses(parts.config, request);
  const { keyPem, csrPem } = await createNodeKey();
  const { token, availability } = request;
  let failure: unknown = new Fault("invalid", "at least one RemoteAddr is needed to join");
  for (const remote of request.remoteAddresses) {
    const { host, port } = splitAddress(remote);
    const address = `${host}:${port}`;
    try {
      const rootPem = await fetchRoot(address, digest, signal);
      const issued = await issueCertificate(address, rootPem, { token, csrPem, availability }, signal);
      const identity = requireIdentity(
        { certificatePem: issued.certificatePem, keyPem, rootPem },
        parts.clock.now(),
      );
      const { nodeId, clusterId, role } = identity;
      const dataPathPort = DEFAULT_DATA_PATH_PORT;
      const managers = [address];
      const state = {
        nodeId,
        clusterId,
        role,
        advertiseAddress,
        dataPathAddress,
        dataPathPort,
        listenAddress,
        managers,
      };
      return { state, identity };
    } catch (error) {
      failure = error;
      if (signal.aborted) break;
    }
  }
  throw failure;
}
