import { Certificates } from "../gen/shoal/rpc_pb.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { caDigest, type NodeIdentity } from "../identity/index.ts";
import { Fault } from "../lib/index.ts";
import { callFault } from "./call-fault.ts";
import { managerClient, type Trust } from "./manager-client.ts";
import type { IssueRequest } from "./services.ts";

const { method } = Certificates;

/**
 * The root certificate of the cluster at `address`, believed only because its digest is the one in the join token.
 * Faults: "invalid" in swarmkit's words when it is another; "unavailable" when there is no manager; what `signal` aborts with.
 */
export async function fetchRoot(address: string, digest: string, signal: AbortSignal): Promise<string> {
  const call = (client: GrpcClient) => client.unary(method.getRoot, {}, { signal });
  const { certificatePem } = await once(address, { kind: "none" }, signal, call);
  if (caDigest(certificatePem) !== digest) {
    throw new Fault("invalid", `remote CA does not match fingerprint. Expected: ${digest}`);
  }
  return certificatePem;
}

/** A first certificate for a node that has a join token, from a manager that has proved itself by `rootPem`. */
export async function issueCertificate(
  address: string,
  rootPem: string,
  request: IssueRequest,
  signal: AbortSignal,
): Promise<{ nodeId: string; certificatePem: string; rootPem: string }> {
  const call = (client: GrpcClient) => client.unary(method.issue, request, { signal });
  const answer = await once(address, { kind: "root", rootPem }, signal, call);
  return { nodeId: answer.nodeId, certificatePem: answer.certificatePem, rootPem: answer.rootPem };
}

/** The next certificate for a node that has one in force. */
export async function renewCertificate(
  address: string,
  identity: NodeIdentity,
  csrPem: string,
  signal: AbortSignal,
): Promise<{ certificatePem: string; rootPem: string }> {
  const call = (client: GrpcClient) => client.unary(method.renew, { csrPem }, { signal });
  const { certificatePem, rootPem } = await once(address, { kind: "node", identity }, signal, call);
  return { certificatePem, rootPem };
}

/** One call on a channel of its own. */
async function once<T>(
  address: string,
  trust: Trust,
  signal: AbortSignal,
  call: (client: GrpcClient) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const client = managerClient(address, trust);
  try {
    return await call(client);
  } catch (error) {
    throw signal.aborted ? signal.reason : callFault(address, error);
  } finally {
    client.close();
  }
}
