const encoder = new TextEncoder();

/** The first key after all that begin with the prefix (etcd's range_end). The prefix must not end in U+007F. */
export function endOf(prefix: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(prefix);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) + 1;
  return bytes;
}

/** etcd 3.4 rpc.proto, Compare.CompareTarget. */
const MOD = 2;

/** A transaction's condition: the key's last write was at this revision; 0: there is no such key. */
export function isAt(
  key: string,
  revision: number,
): {
  target: number;
  key: Uint8Array<ArrayBuffer>;
  targetUnion: { case: "modRevision"; value: bigint };
} {
  const targetUnion = { case: "modRevision" as const, value: BigInt(revision) };
  return { target: MOD, key: encoder.encode(key), targetUnion };
}
