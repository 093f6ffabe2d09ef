import { equal } from "../lib/index.ts";

/** What of IPsec is in a namespace (ip-xfrm(8)): ESP in transport mode between two addresses, for the UDP of one tunnel port. */
export interface Xfrm {
  readonly states: readonly XfrmState[];
  readonly policies: readonly XfrmPolicy[];
}

/** A key in use for one direction: rfc4106(gcm(aes)) with a 16-byte ICV. The key is for the kernel only: it is never printed. */
export interface XfrmState {
  readonly source: string;
  readonly destination: string;
  /** 256 to 2^32 - 1; with the destination it names the state, and so the key, on the wire. */
  readonly spi: number;
  /** UDP destination port of what it carries. */
  readonly port: number;
  /** 40 hex digits: 16 bytes of AES key, 4 of salt. */
  readonly key: string;
}

/** UDP to this port passes in this direction only as ESP of ours; without addresses it stands for all that no other policy names. */
export interface XfrmPolicy {
  readonly direction: "in" | "out";
  readonly port: number;
  readonly source?: string;
  readonly destination?: string;
  /** The state to send by; any state of ours when absent. */
  readonly spi?: number;
}

export type XfrmOperation =
  | { readonly op: "put-xfrm-state"; readonly state: XfrmState }
  | { readonly op: "put-xfrm-policy"; readonly policy: XfrmPolicy }
  | { readonly op: "remove-xfrm-policy"; readonly policy: XfrmPolicy }
  | { readonly op: "remove-xfrm-state"; readonly state: XfrmState };

const NONE: Xfrm = { states: [], policies: [] };

/** New keys, then who uses them, and last what nobody uses any more: no packet is ever without a key. */
export function diffXfrm(now: Xfrm = NONE, want: Xfrm = NONE): XfrmOperation[] {
  const states = compare(now.states, want.states, stateKey);
  const policies = compare(now.policies, want.policies, policyKey);
  return [
    ...states.fresh.map((state): XfrmOperation => ({ op: "put-xfrm-state", state })),
    ...policies.fresh.map((policy): XfrmOperation => ({ op: "put-xfrm-policy", policy })),
    ...policies.gone.map((policy): XfrmOperation => ({ op: "remove-xfrm-policy", policy })),
    ...states.gone.map((state): XfrmOperation => ({ op: "remove-xfrm-state", state })),
  ];
}

const stateKey = ({ destination, spi }: XfrmState): string => `${destination} ${spi}`;
const policyKey = ({ direction, source, destination, port }: XfrmPolicy): string =>
  `${direction} ${source} ${destination} ${port}`;

function compare<T>(now: readonly T[], want: readonly T[], keyOf: (item: T) => string) {
  const there = new Map(now.map((item) => [keyOf(item), item]));
  const wanted = new Set(want.map(keyOf));
  return {
    gone: now.filter((item) => !wanted.has(keyOf(item))),
    fresh: want.filter((item) => !equal(there.get(keyOf(item)), item)),
  };
}

/** The namespace's share after an operation. */
export function changedXfrm(now: Xfrm = NONE, operation: XfrmOperation): Xfrm {
  switch (operation.op) {
    case "put-xfrm-state":
    case "remove-xfrm-state": {
      const { op, state } = operation;
      const left = now.states.filter((other) => stateKey(other) !== stateKey(state));
      return { ...now, states: op === "put-xfrm-state" ? [...left, state] : left };
    }
    case "put-xfrm-policy":
    case "remove-xfrm-policy": {
      const { op, policy } = operation;
      const left = now.policies.filter((other) => policyKey(other) !== policyKey(policy));
      return { ...now, policies: op === "put-xfrm-policy" ? [...left, policy] : left };
    }
  }
}

/** As text, keys left out: the SPI names them. */
export function printXfrmState({ source, destination, spi, port }: XfrmState): string {
  return `src ${source} dst ${destination} proto esp spi ${hex(spi)} dport ${port} mode transport`;
}

export function printXfrmPolicy({ direction, source, destination, port, spi }: XfrmPolicy): string {
  const by = spi === undefined ? "" : ` spi ${hex(spi)}`;
  return `src ${source ?? "any"} dst ${destination ?? "any"} proto udp dport ${port} dir ${direction} tmpl esp${by} level required`;
}

const hex = (spi: number): string => `0x${spi.toString(16).padStart(8, "0")}`;
