import type { Clock, Instant } from "../lib/index.ts";
import { exec } from "../sys/index.ts";

/** What is read of `nft -j list chains`. */
interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

/** What nft prints, given its words. */
type Nft = (...words: string[]) => Promise<string>;

/**
 * A sentence for each chain of somebody else that drops what the host forwards (Docker's own, ufw's, firewalld's), unless its
 * table lets our devices through by name: a packet that one chain drops is lost, whatever ours accept. Devices are our tag and "-".
 */
export async function forwardDropWarnings(tag: string, nft: Nft = runNft): Promise<string[]> {
  const warnings: string[] = [];
  for (const chain of droppingChains(await nft("-j", "list", "chains"))) {
    const table = await nft("list", "table", chain.family, chain.table);
    if (!table.includes(`ifname "${tag}-`)) warnings.push(warningOf(chain, tag));
  }
  return warnings;
}

/** How long what was seen of the firewall is told again: `docker info` is asked often, and by many at once. */
const FRESH_MS = 10_000;

/** The warnings, looked up at most so often; only the first to ask waits for them, later ones have the last answer meanwhile. */
export class ForwardDrops {
  readonly #clock: Pick<Clock, "now">;
  readonly #look: () => Promise<string[]>;
  #found: Promise<string[]> | undefined;
  #askedAt: Instant = 0;

  constructor(clock: Pick<Clock, "now">, look: () => Promise<string[]>) {
    this.#clock = clock;
    this.#look = look;
  }

  warnings(): Promise<string[]> {
    const found = this.#found;
    const now = this.#clock.now();
    if (found !== undefined && now - this.#askedAt < FRESH_MS) return found;
    this.#askedAt = now;
    // Whatever is wrong with it, `docker info` answers.
    const next = this.#look().catch(() => []);
    if (found === undefined) this.#found = next;
    else void next.then(() => (this.#found = next));
    return this.#found ?? next;
  }
}

/** Base chains at the forward hook whose policy is to drop. */
function droppingChains(listing: string): Chain[] {
  if (listing === "") return [];
  const { nftables = [] }: { nftables?: readonly { chain?: Chain & Record<string, unknown> }[] } =
    JSON.parse(listing);
  return nftables.flatMap(({ chain }) =>
    chain !== undefined && chain["hook"] === "forward" && chain["policy"] === "drop" ? [chain] : [],
  );
}

function warningOf({ family, table, name }: Chain, tag: string): string {
  const devices = `devices ${tag}-*`;
  return `WARNING: chain ${name} of nftables table ${family} ${table} drops forwarded packets: tasks may not reach the outside, nor be reached at published ports, until it accepts what comes from or goes to ${devices}`;
}

/** "" where there is no nft. */
async function runNft(...words: string[]): Promise<string> {
  const result = await exec(["nft", ...words]).catch(() => undefined);
  return result?.code === 0 ? result.stdout : "";
}
