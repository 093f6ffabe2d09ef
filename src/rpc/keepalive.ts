/** Both ends ping on quiet connections: a peer that vanished is noticed within the sum. */
export const KEEPALIVE: { readonly keepaliveMs: number; readonly keepaliveTimeoutMs: number } = {
  keepaliveMs: 4_000,
  keepaliveTimeoutMs: 4_000,
};
