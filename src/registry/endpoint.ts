import { BlockList, isIP, isIPv6 } from "node:net";
import { Fault } from "../lib/index.ts";
import type { Reference } from "./reference.ts";

const DOCKER_HUB = "docker.io";
const DOCKER_HUB_URL = "https://registry-1.docker.io";

/** Where a repository may be asked for. `insecure`: plain http and unverified certificates are good enough. */
export interface Endpoint {
  /** Base URLs to try in order, the first that answers is kept: `https://host:port`. */
  readonly urls: readonly string[];
  readonly insecure: boolean;
  readonly mirror: boolean;
}

export interface EndpointRules {
  /** Base URLs that are asked before docker.io. */
  readonly mirrors: readonly string[];
  /** `host`, `host:port`, or a CIDR that a literal address lies in. */
  readonly insecureRegistries: readonly string[];
}

/** Tells, from the daemon's settings, where a reference's registry is. */
export class Endpoints {
  readonly #mirrors: readonly Endpoint[];
  readonly #names: ReadonlySet<string>;
  readonly #blocks = new BlockList();

  /** Fault "invalid" for a mirror that is no http(s) URL or an insecure CIDR that is none. */
  constructor(rules: EndpointRules) {
    this.#blocks.addSubnet("127.0.0.0", 8, "ipv4");
    this.#blocks.addAddress("::1", "ipv6");
    for (const text of rules.insecureRegistries.filter(isCidr)) this.#addBlock(text);
    this.#names = new Set(
      rules.insecureRegistries.filter((text) => !isCidr(text)).map((t) => t.toLowerCase()),
    );
    this.#mirrors = rules.mirrors.map((text) => this.#mirrorOf(text));
  }

  /** In the order to ask them: mirrors first, the registry itself last. */
  of(ref: Reference): readonly Endpoint[] {
    if (ref.domain === DOCKER_HUB) {
      return [...this.#mirrors, { urls: [DOCKER_HUB_URL], insecure: false, mirror: false }];
    }
    const insecure = this.#isInsecure(ref.domain);
    const urls = [`https://${ref.domain}`, ...(insecure ? [`http://${ref.domain}`] : [])];
    return [{ urls, insecure, mirror: false }];
  }

  #isInsecure(hostAndPort: string): boolean {
    const host = hostOf(hostAndPort);
    if (host === "localhost" || this.#names.has(hostAndPort.toLowerCase()) || this.#names.has(host))
      return true;
    return isIP(host) !== 0 && this.#blocks.check(host, isIPv6(host) ? "ipv6" : "ipv4");
  }

  #mirrorOf(text: string): Endpoint {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new Fault("invalid", `invalid mirror: "${text}" is not an http or https URL`);
    }
    const base = `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
    const insecure = url.protocol === "http:" || this.#isInsecure(url.host);
    return { urls: [base], insecure, mirror: true };
  }

  #addBlock(text: string): void {
    const [address = "", bits = ""] = text.split("/");
    try {
      this.#blocks.addSubnet(address, Number(bits), isIPv6(address) ? "ipv6" : "ipv4");
    } catch (cause) {
      throw new Fault("invalid", `invalid insecure registry: "${text}" is not a CIDR`, { cause });
    }
  }
}

function isCidr(text: string): boolean {
  return text.includes("/");
}

/** The host without port and brackets. */
function hostOf(hostAndPort: string): string {
  const host = hostAndPort.replace(/:\d+$/, "").toLowerCase();
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
