const CONTAINER = "container:";

/** The container whose network is to be shared, as a RunSpec's `networkMode` says it; undefined for other modes. */
export function peerOf(networkMode: string): string | undefined {
  return networkMode.startsWith(CONTAINER) ? networkMode.slice(CONTAINER.length) : undefined;
}

/** The other way round. */
export function modeOfPeer(container: string): string {
  return CONTAINER + container;
}
