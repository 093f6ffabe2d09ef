/** The first key after all that begin with the prefix (etcd's range_end). The prefix must not end in U+007F. */
export function endOf(prefix: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(prefix);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) + 1;
  return bytes;
}
