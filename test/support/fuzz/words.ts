import { bodiesOf } from "../wire-testdata.ts";
import type { Dice } from "./dice.ts";

/* Words that bodies and questions are made of: those that clients say, field by field, and those that nobody should. */

const KINDS = [
  "service-create",
  "service-update",
  "node-update",
  "network-create",
  "swarm-init",
  "swarm-update",
];

/** Words of closed sets, which no recording has all of. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  mode: ["vip", "dnsrr", "host", "ingress"],
  protocol: ["tcp", "udp", "sctp"],
  publishmode: ["ingress", "host"],
  type: ["bind", "volume", "tmpfs", "npipe", "cluster", "image", "local", "json-file", "none"],
  condition: ["none", "on-failure", "any"],
  failureaction: ["pause", "continue", "rollback"],
  order: ["stop-first", "start-first"],
  availability: ["active", "pause", "drain"],
  role: ["manager", "worker"],
  driver: ["overlay", "bridge", "local", "host", "default"],
  scope: ["swarm", "local"],
  networkmode: ["bridge", "host", "none", "front", "default", "container:web"],
  name: ["web", "front", "key", "no", "always", "on-failure", "unless-stopped", "json-file", "none"],
  image: ["nginx", "redis:3.2", "reg.test/redis:1", "nginx@sha256:beef", "UPPER/case", "a b"],
  subnet: ["10.9.0.0/24", "10.0.0.0/8", "fd00::/64", "10.9.0.0/33", "0.0.0.0/0"],
  gateway: ["10.9.0.1", "10.9.0.255", "fd00::1"],
  data: ["c2VjcmV0", "", "====", "c2Vj cmV0"],
  spreaddescriptor: ["node.labels.zone", "node.id", "engine.labels.x"],
  constraints: ["node.role==manager", "node.labels.a!=b", "node.id==x", "nonsense"],
  signal: ["SIGTERM", "9", "SIGNOPE"],
  listenaddr: ["0.0.0.0:2377", "127.0.0.1", ":"],
};

const ODD: readonly string[] = [
  ...[
    "",
    " ",
    "\0",
    "\n",
    "a\tb",
    "{{",
    "{{.}}",
    "{{.Service.Name}}",
    "{{.Task.Slot}}",
    "{{.Node.Hostname}}-x",
  ],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "null",
    "NaN",
    "undefined",
    "true",
    "-1",
    "0x10",
    "1e9",
    "9".repeat(30),
  ],
  ...[
    "ünïcödé",
    "\u{1F433}",
    "\ud800",
    "‮abc",
    "..",
    "../../etc/passwd",
    "/",
    "a/b",
    "%",
    "%2e%2e",
    "a".repeat(300),
  ],
  ...["127.0.0.1", "::1", "10.0.0.0/8", "fe80::1%eth0", "1h", "-5s", "2026-01-01T00:00:00Z", "1700000000.5"],
];

export const ODD_NUMBERS: readonly number[] = [
  ...[-1, -0, 0.5, 1, 2, 255, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64],
  ...[1e300, -1e300, 5e-324, 1e9, 60e9, 999_999, 1_000_000],
];

export class Words {
  readonly #byField = new Map<string, string[]>();
  readonly #dice: Dice;
  /** Names and ids of what there is. */
  refs: readonly string[] = ["web"];

  constructor(dice: Dice) {
    this.#dice = dice;
    for (const kind of KINDS) for (const body of bodiesOf(kind)) this.#learn("", body);
    for (const [field, words] of Object.entries(KNOWN))
      this.#byField.set(field, [...this.#said(field), ...words]);
  }

  /** For a field of that name. */
  text(field: string): string {
    const said = this.#said(field.toLowerCase());
    const dice = this.#dice;
    if (dice.once(12)) return this.odd();
    if (dice.once(5)) return dice.of(this.refs);
    return said.length > 0 ? dice.of(said) : dice.of(["web", "a", "A=1", "8080", "front", "/data", "x.y"]);
  }

  odd(): string {
    const dice = this.#dice;
    return dice.once(4)
      ? dice.some(12, () => String.fromCodePoint(dice.below(0xd7ff))).join("")
      : dice.of(ODD);
  }

  number(): number {
    const dice = this.#dice;
    return dice.once(6)
      ? dice.of(ODD_NUMBERS)
      : dice.of([0, 1, 2, 3, 80, 8080, 30_000, 10_000_000, 1e9, 5e9]);
  }

  #said(field: string): string[] {
    return this.#byField.get(field) ?? [];
  }

  #learn(field: string, value: unknown): void {
    if (typeof value === "string") this.#byField.set(field, [...this.#said(field), value].slice(-60));
    else if (Array.isArray(value)) for (const each of value) this.#learn(field, each);
    else if (typeof value === "object" && value !== null)
      for (const [key, each] of Object.entries(value)) this.#learn(key.toLowerCase(), each);
  }
}
