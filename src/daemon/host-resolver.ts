import { existsSync, readFileSync } from "node:fs";
import type { Config } from "./config.ts";

export interface HostResolver {
  readonly upstreams: readonly string[];
  readonly search: readonly string[];
}

/** Whom this node asks for names that are not the swarm's: as configured, else as the machine does (resolv.conf(5)). */
export function hostResolver(config: Config, file = "/etc/resolv.conf"): HostResolver {
  const words = existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
    : [];
  const said = words.filter(([key]) => key === "nameserver").flatMap(([, address]) => address ?? []);
  // The last line counts; "domain" is the old word for a list of one.
  const domains = words.findLast(([key]) => key === "search" || key === "domain")?.slice(1) ?? [];
  return {
    upstreams: config.dns.length > 0 ? config.dns : said,
    search:
      config["dns-search"].length > 0 ? config["dns-search"] : domains.filter((domain) => domain !== "."),
  };
}
