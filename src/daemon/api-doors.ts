import { readFileSync } from "node:fs";
import { ApiServer, type ApiServerOptions, type ApiTls } from "../api/index.ts";
import { Fault, messageOf } from "../lib/index.ts";
import type { Config } from "./config.ts";

/** The Engine API at one of its addresses. */
export interface ApiDoor {
  readonly where: string;
  readonly server: ApiServer;
}

/** A server for each address of the settings, none listening yet. Fault "invalid" for TLS files that are missing or cannot be read. */
export function apiDoors(config: Config, options: Omit<ApiServerOptions, "tls" | "looksOnly">): ApiDoor[] {
  const tls = readTls(config);
  const door = (where: string, looksOnly: boolean): ApiDoor => {
    const secure = where.startsWith("tcp://") && tls !== undefined ? { tls } : {};
    return { where, server: makeServer({ ...options, ...secure, looksOnly }) };
  };
  return [
    ...config.hosts.map((where) => door(where, false)),
    ...config["read-only-hosts"].map((where) => door(where, true)),
  ];
}

function makeServer(options: ApiServerOptions): ApiServer {
  try {
    return new ApiServer(options);
  } catch (cause) {
    throw new Fault("invalid", `cannot use TLS: ${messageOf(cause)}`, { cause });
  }
}

/** All three files or none: half of them would be a mistake that nobody sees. */
function readTls({ tlscacert, tlscert, tlskey }: Config): ApiTls | undefined {
  const files = { ca: tlscacert, cert: tlscert, key: tlskey };
  const named = Object.values(files).filter((file) => file !== undefined).length;
  if (named === 0) return undefined;
  if (named < 3) {
    throw new Fault("invalid", "cannot use TLS: it takes all of tlscacert, tlscert and tlskey");
  }
  return { ca: readPem(tlscacert), cert: readPem(tlscert), key: readPem(tlskey) };
}

function readPem(path = ""): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Fault("invalid", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}
