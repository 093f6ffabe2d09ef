import type { BridgeSpec } from "../model/index.ts";

/** A bridge network as `docker network create NAME` asks for it. */
export function aBridge(name: string, rest: Partial<BridgeSpec> = {}): BridgeSpec {
  return {
    ...{ name, labels: {}, options: {}, internal: false, attachable: false, ipv6: false, ipam: [] },
    ...rest,
  };
}
