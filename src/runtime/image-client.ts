import { credentials } from "@grpc/grpc-js";
import { GrpcClient } from "../grpc/index.ts";

const NAMESPACE_HEADER = "containerd-namespace";
const LEASE_HEADER = "containerd-lease";

/** Which containerd, and which of its namespaces. */
export interface ContainerdAddress {
  /** Path of the unix socket. */
  readonly socket: string;
  readonly namespace: string;
}

/**
 * A client of one containerd namespace. With `leaseId`, all that its calls make is held by that lease.
 * Clients of one socket share one connection (grpc-js pools subchannels), so making one is cheap.
 */
export function connectContainerd({ socket, namespace }: ContainerdAddress, leaseId?: string): GrpcClient {
  return new GrpcClient({
    target: `unix://${socket}`,
    credentials: credentials.createInsecure(),
    metadata: { [NAMESPACE_HEADER]: namespace, ...(leaseId !== undefined && { [LEASE_HEADER]: leaseId }) },
    name: "containerd",
  });
}
