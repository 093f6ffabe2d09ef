import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { Fault, messageOf } from "../lib/index.ts";

/** nftables/libnftables.h */
const NFT_CTX_DEFAULT = 0;
const NFT_CTX_OUTPUT_STATELESS = 1 << 2;

interface LibNftables {
  nft_ctx_new(flags: number): unknown;
  nft_ctx_free(context: unknown): void;
  nft_run_cmd_from_buffer(context: unknown, commands: string): number;
  nft_ctx_buffer_output(context: unknown): number;
  nft_ctx_buffer_error(context: unknown): number;
  nft_ctx_get_output_buffer(context: unknown): string;
  nft_ctx_get_error_buffer(context: unknown): string;
  nft_ctx_output_set_flags(context: unknown, flags: number): void;
}

const SIGNATURES: readonly string[] = [
  "void *nft_ctx_new(uint32_t flags)",
  "void nft_ctx_free(void *context)",
  "int nft_run_cmd_from_buffer(void *context, const char *commands)",
  "int nft_ctx_buffer_output(void *context)",
  "int nft_ctx_buffer_error(void *context)",
  "const char *nft_ctx_get_output_buffer(void *context)",
  "const char *nft_ctx_get_error_buffer(void *context)",
  "void nft_ctx_output_set_flags(void *context, unsigned int flags)",
];

let loaded: LibNftables | undefined;

function library(): LibNftables {
  if (loaded === undefined) {
    try {
      const file = koffi.load("libnftables.so.1");
      const functions = SIGNATURES.map((text) => file.func(text));
      loaded = Object.fromEntries(functions.map((f) => [f.info.name, f])) as unknown as LibNftables;
    } catch (cause) {
      const reason = `cannot load libnftables (Debian: libnftables1): ${messageOf(cause)}`;
      throw new Fault("unsupported", reason, { cause });
    }
  }
  return loaded;
}

/**
 * libnftables waits with select(2), which ends the process when its socket's descriptor is 1024 or more. A node with many namespaces has
 * more descriptors than that, so low ones are kept for it from the beginning, and so many conversations are open at most.
 */
const SELECT_LIMIT = 1024;
const MOST_CONTEXTS = 128;
/** Freed at once for a new conversation: other threads may take one in that moment. */
const SPARE = 8;

let reserved: number[] | undefined;
/** Least recently used first. */
const open = new Set<NftContext>();

/** Lets go of the descriptors that this thread keeps: it is about to end. */
export function leaveNftables(): void {
  for (const fd of reserved?.splice(0) ?? []) closeSync(fd);
  reserved = undefined;
}

/** Makes something that takes a descriptor, with low ones free. */
function withLowDescriptor<T>(make: () => T): T {
  const kept = reserved ?? reserve(MOST_CONTEXTS + SPARE);
  for (const fd of kept.splice(0, SPARE)) closeSync(fd);
  try {
    const [probe] = reserve(1);
    if (probe === undefined) throw new Fault("unavailable", "cannot start libnftables: too many open files");
    closeSync(probe);
    return make();
  } finally {
    reserved = [...kept, ...reserve(MOST_CONTEXTS + SPARE - open.size - kept.length - 1)];
  }
}

/** So many descriptors, if there are as many, that select(2) can wait for. */
function reserve(count: number): number[] {
  const found: number[] = [];
  while (found.length < count) {
    const fd = openSync("/dev/null", "r");
    if (fd < SELECT_LIMIT) found.push(fd);
    else {
      closeSync(fd);
      break;
    }
  }
  return found;
}

/**
 * A conversation with nftables. Make it, and run commands, inside the namespace that it is for. Keep it: closing is slow. The one that
 * was least used may be closed when another is made.
 */
export class NftContext {
  readonly #context: unknown;
  #closed = false;

  constructor() {
    const [oldest] = open;
    if (open.size >= MOST_CONTEXTS) oldest?.close();
    const context = withLowDescriptor(() => library().nft_ctx_new(NFT_CTX_DEFAULT));
    if (context === null) throw new Fault("internal", "cannot start libnftables");
    open.add(this);
    library().nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_STATELESS);
    library().nft_ctx_buffer_output(context);
    library().nft_ctx_buffer_error(context);
    this.#context = context;
  }

  /** Runs commands as one transaction and returns what they print; Fault with nft's first complaint. */
  run(commands: string): string {
    open.delete(this);
    open.add(this);
    const failed = library().nft_run_cmd_from_buffer(this.#context, commands) !== 0;
    const output = library().nft_ctx_get_output_buffer(this.#context);
    const error = library().nft_ctx_get_error_buffer(this.#context);
    if (failed) throw new Fault("internal", `cannot change nftables: ${firstComplaint(error)}`);
    return output;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    open.delete(this);
    library().nft_ctx_free(this.#context);
    reserved?.push(...reserve(1));
  }
}

/** "No such file or directory: add rule …" of the first error and the line it quotes. */
function firstComplaint(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const at = lines.findIndex((line) => line.includes("Error:"));
  const reason = lines[at]?.replace(/^.*Error: /, "") ?? "no reason given";
  const quoted = lines[at + 1];
  return quoted === undefined || quoted === "" ? reason : `${reason}: ${quoted}`;
}
