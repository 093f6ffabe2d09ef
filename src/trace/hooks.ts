import { remembered } from "../lib/index.ts";
import type { NftChain, NftTable, ObservedNamespace } from "../netstate/index.ts";
import type { Asked } from "./expressions.ts";
import { isIp6, type Packet } from "./packet.ts";
import { type Marks, type RuleOutcome, runRule, type Target } from "./rule.ts";

export type Hook = NonNullable<NftChain["base"]>["hook"];

/** What the tables at a hook make of a packet. More than one of a draw. */
export type HookOutcome =
  | {
      readonly kind: "passes";
      readonly packet: Packet;
      readonly connectionMark: number;
      /** Which chain said so. */
      readonly to?: { readonly target: Target; readonly by: string };
      readonly from?: { readonly address: string | undefined; readonly by: string };
    }
  | { readonly kind: "dropped"; readonly because: string };

export interface HookRun {
  readonly outcomes: readonly HookOutcome[];
  readonly doubts: readonly string[];
}

const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** "filter + 10", "dstnat" or "-100" as a number. */
function priorityOf(text: string): number {
  const [, word = "", sign = "+", more = "0"] = /^(-?\w+)(?: ([+-]) (\d+))?$/.exec(text) ?? [];
  return (PRIORITIES[word] ?? Number(word)) + (sign === "-" ? -1 : 1) * Number(more);
}

interface BaseChain {
  readonly table: NftTable;
  readonly chain: NftChain;
  readonly base: NonNullable<NftChain["base"]>;
}

/** Of each namespace once, in the kernel's order: a table has a chain for every service, and few that hang at a hook. */
const baseChainsOf = remembered((namespace: ObservedNamespace): readonly BaseChain[] =>
  namespace.tables
    .flatMap((table) =>
      table.chains.flatMap((chain) => (chain.base === undefined ? [] : [{ table, chain, base: chain.base }])),
    )
    .sort((a, b) => priorityOf(a.base.priority) - priorityOf(b.base.priority)),
);

/** Base chains at a hook that see this family and kind of packet. Answers are translated as their connection is, and ask no chain. */
function chainsAt(namespace: ObservedNamespace, hook: Hook, packet: Packet): BaseChain[] {
  const family = isIp6(packet.destination) ? "ip6" : "ip";
  return baseChainsOf(namespace).filter(
    ({ table, base }) =>
      base.hook === hook &&
      (table.family === family || table.family === "inet") &&
      !(base.type === "nat" && packet.isReply),
  );
}

type Passed = Extract<HookOutcome, { kind: "passes" }>;

/** Where among the chains of a hook the kernel translates answers back (nf_ip_hook_priorities). */
const TRANSLATES_AT: Partial<Record<Hook, number>> = { prerouting: -100, input: 100, postrouting: 100 };

/**
 * Sends a packet through all chains at a hook. `asked` is about the packet as it is before; `restore` translates an answer back, once,
 * when its turn comes.
 */
export function runHook(
  namespace: ObservedNamespace,
  hook: Hook,
  asked: Asked,
  restore: (packet: Packet) => Packet = (packet) => packet,
): HookRun {
  const doubts: string[] = [];
  let passing: Passed[] = [{ kind: "passes", packet: asked.packet, connectionMark: asked.connectionMark }];
  const dropped: HookOutcome[] = [];
  const chains = chainsAt(namespace, hook, asked.packet);
  const turn = chains.findIndex(({ base }) => priorityOf(base.priority) >= (TRANSLATES_AT[hook] ?? 0));
  const restored = (state: Passed): Passed => ({ ...state, packet: restore(state.packet) });
  for (const [i, { table, chain, base }] of chains.entries()) {
    if (i === turn) passing = passing.map(restored);
    const after = passing.flatMap((state): HookOutcome[] => {
      if (base.type === "nat" && (state.to ?? state.from) !== undefined) return [state];
      const where = { table, chain, policy: base.policy, doubts };
      return runBase(where, state, { ...asked, packet: state.packet, connectionMark: state.connectionMark });
    });
    passing = after.filter((outcome) => outcome.kind === "passes");
    dropped.push(...after.filter((outcome) => outcome.kind === "dropped"));
  }
  return { outcomes: [...(turn === -1 ? passing.map(restored) : passing), ...dropped], doubts };
}

interface Where {
  readonly table: NftTable;
  readonly chain: NftChain;
  readonly policy: "accept" | "drop";
  readonly doubts: string[];
}

function runBase(where: Where, state: Passed, asked: Asked): HookOutcome[] {
  const end = runChain(where, where.chain, asked, 0);
  const passed: Passed = {
    ...state,
    packet: { ...state.packet, mark: end.marks.mark },
    connectionMark: end.marks.connectionMark,
  };
  const { effect, by } = end;
  if (effect.kind === "drop") return [{ kind: "dropped", because: `${effect.word} by ${by}: ${end.rule}` }];
  if (effect.kind === "to") {
    const draw = effect.targets.length > 1 ? `, one of ${effect.targets.length} by turns` : "";
    return effect.targets.map((target) => ({ ...passed, to: { target, by: `${by}${draw}` } }));
  }
  if (effect.kind === "from") return [{ ...passed, from: { address: effect.address, by } }];
  if (effect.kind === "accept" || where.policy === "accept") return [passed];
  return [{ kind: "dropped", because: `dropped by the policy of ${nameOf(where.table, where.chain)}` }];
}

interface ChainEnd extends Pick<RuleOutcome, "effect" | "marks"> {
  /** The chain that decided, and its rule. */
  readonly by: string;
  readonly rule: string;
}

/** nf_tables allows no more jumps inside of each other (NFT_JUMP_STACK_SIZE). */
const DEEPEST = 16;

function runChain(where: Where, chain: NftChain, start: Asked, depth: number): ChainEnd {
  const name = nameOf(where.table, chain);
  let asked = start;
  for (const rule of chain.rules) {
    const outcome = runRule(rule, asked, where.table);
    if (outcome.unread !== undefined) where.doubts.push(`${name}: ${rule}`);
    asked = withMarks(asked, outcome.marks);
    const end = depth < DEEPEST ? follow(where, outcome, asked, depth) : undefined;
    if (end === "back") continue;
    if (end !== undefined) return end;
    if (outcome.effect.kind === "return") break;
    if (outcome.effect.kind !== "next") return { ...outcome, by: name, rule };
  }
  return { effect: { kind: "next" }, marks: marksOf(asked), by: name, rule: "" };
}

/** Where a goto or a jump ends; "back" when the chain goes on behind it. */
function follow(
  where: Where,
  { effect }: RuleOutcome,
  asked: Asked,
  depth: number,
): ChainEnd | "back" | undefined {
  if (effect.kind !== "go") return undefined;
  const chain = where.table.chains.find(({ name }) => name === effect.chain);
  if (chain === undefined) return "back";
  const end = runChain(where, chain, asked, depth + 1);
  return effect.comesBack && end.effect.kind === "next" ? "back" : end;
}

const marksOf = ({ packet, connectionMark }: Asked): Marks => ({ mark: packet.mark, connectionMark });

function withMarks(asked: Asked, { mark, connectionMark }: Marks): Asked {
  return { ...asked, packet: { ...asked.packet, mark }, connectionMark };
}

const nameOf = ({ family, name }: NftTable, chain: NftChain): string =>
  `chain ${chain.name} of table ${family} ${name}`;
