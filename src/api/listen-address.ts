import { Fault } from "../lib/index.ts";

/** Where the Engine API is served. */
export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Docker's port for the API with TLS (IANA: docker-s). */
const TLS_PORT = 2376;

/** Reads "unix:///run/shoal/docker.sock", "tcp://10.0.0.1:2376", "tcp://[::1]"; an empty host means every address. Fault "unsupported". */
export function parseListenAddress(where: string): ListenAddress {
  const path = /^unix:\/\/(\/.+)$/.exec(where)?.[1];
  if (path !== undefined) return { kind: "unix", path };
  const [, six, four, port = String(TLS_PORT)] =
    /^tcp:\/\/(?:\[([0-9a-f:.]+)\]|([^/:[\]]*))(?::(\d{1,5}))?\/?$/i.exec(where) ?? [];
  const host = six ?? four;
  if (host === undefined || Number(port) > 65_535) {
    const use = "use unix:///run/docker.sock or tcp://address:port";
    throw new Fault(
      "unsupported",
      `cannot listen on ${where}: it is neither unix:///path nor tcp://address; ${use}`,
    );
  }
  return { kind: "tcp", host: host === "" ? "::" : host, port: Number(port) };
}
