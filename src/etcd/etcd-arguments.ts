/** etcd insists on "host:port" and makes a socket of that name in its working folder (etcd 3.4 pkg/types/urls.go). */
export const CLIENT_SOCKET = "client:0";
export const PEER_SOCKET = "peer:0";

const MIB = 2 ** 20;

/** The command line of a single member that listens on unix sockets only. */
export function etcdArguments(dataDir: string, quotaBytes: number = 4_096 * MIB): string[] {
  const client = `unix://${CLIENT_SOCKET}`;
  const peer = `unix://${PEER_SOCKET}`;
  return [
    ["--name", "default"],
    ["--data-dir", dataDir],
    ["--listen-client-urls", client],
    ["--advertise-client-urls", client],
    ["--listen-peer-urls", peer],
    ["--initial-advertise-peer-urls", peer],
    ["--initial-cluster", `default=${peer}`],
    // A lone member elects itself, and waits that long before it does at every start but the first.
    ["--heartbeat-interval", "50"],
    ["--election-timeout", "250"],
    // gRPC is all we speak.
    ["--enable-grpc-gateway=false"],
    // A commit is one transaction, and etcd's 128 operations and 1.5 MiB would cut it up.
    ["--max-txn-ops", "8192"],
    ["--max-request-bytes", String(32 * MIB)],
    // Watchers fall behind by seconds at most; who needs older history lists again.
    ["--auto-compaction-mode", "revision"],
    ["--auto-compaction-retention", "10000"],
    ["--snapshot-count", "10000"],
    ["--quota-backend-bytes", String(quotaBytes)],
    ["--logger", "zap"],
    ["--log-level", "warn"],
  ].flat();
}
