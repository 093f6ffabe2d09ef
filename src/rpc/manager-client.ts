import { type ChannelCredentials, credentials, type VerifyOptions } from "@grpc/grpc-js";
import { GrpcClient } from "../grpc/index.ts";
import { type NodeIdentity, readNodeCertificate } from "../identity/index.ts";
import { Fault } from "../lib/index.ts";
import { KEEPALIVE } from "./keepalive.ts";

/** How far the manager at the other end is to be believed. */
export type Trust =
  /** Not at all: whatever it says is checked by other means, and it is told nothing. */
  | { readonly kind: "none" }
  /** As a manager of the cluster with this root. */
  | { readonly kind: "root"; readonly rootPem: string }
  /** As a manager of our cluster, and we show who we are. */
  | { readonly kind: "node"; readonly identity: NodeIdentity };

/** A channel to a manager: "10.0.0.1:2377". Nothing is sent before it has proved itself as far as trust asks. */
export function managerClient(address: string, trust: Trust): GrpcClient {
  return new GrpcClient({
    target: `dns:${address}`,
    credentials: credentialsFor(trust),
    name: `manager ${address}`,
    verbatim: true,
    options: {
      // Managers are known by what their certificates say, not by where they are (swarmkit's server name).
      "grpc.ssl_target_name_override": "swarm-manager",
      "grpc.default_authority": "swarm-manager",
      // Channels of different identities must not share a connection.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.keepalive_time_ms": KEEPALIVE.keepaliveMs,
      "grpc.keepalive_timeout_ms": KEEPALIVE.keepaliveTimeoutMs,
      "grpc.enable_channelz": 0,
    },
  });
}

function credentialsFor(trust: Trust): ChannelCredentials {
  switch (trust.kind) {
    case "none":
      return credentials.createSsl(null, null, null, { rejectUnauthorized: false });
    case "root":
      return credentials.createSsl(Buffer.from(trust.rootPem), null, null, mustBeManager());
    case "node": {
      const { rootPem, keyPem, certificatePem, clusterId } = trust.identity;
      const [root, key, certificate] = [rootPem, keyPem, certificatePem].map((pem) => Buffer.from(pem));
      return credentials.createSsl(root, key, certificate, mustBeManager(clusterId));
    }
  }
}

/** Runs after TLS has found the certificate to be signed by the root and valid now. */
function mustBeManager(clusterId?: string): VerifyOptions {
  return {
    checkServerIdentity(_name, certificate) {
      try {
        requireManager(certificate.raw, clusterId);
        return undefined;
      } catch (error) {
        return Fault.from(error);
      }
    },
  };
}

function requireManager(certificate: Uint8Array, clusterId: string | undefined): void {
  const facts = readNodeCertificate(certificate);
  if (facts.role !== "manager") throw new Fault("unauthorized", "the node there is not a manager");
  if (clusterId !== undefined && facts.clusterId !== clusterId) {
    throw new Fault("unauthorized", "the manager there is of another cluster");
  }
}
