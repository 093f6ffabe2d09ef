import { parentPort, workerData } from "node:worker_threads";
import type { NameFacts } from "../dns/index.ts";
import { relayLog } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import { type FactsChange, KnownFacts } from "./known-facts.ts";
import { DnsServer } from "./server.ts";

/** The thread in which names are answered: sockets, what it was told, and nothing that could hold them up. */

/** What the thread is told when it is made. */
export interface ResolverThreadData {
  /** Where tasks ask: the gateway bridge's address. */
  readonly address: string;
  /** 53 when undefined. */
  readonly port?: number | undefined;
  readonly upstreams: readonly string[];
  /** The upstreams' port: 53 when undefined. */
  readonly upstreamPort?: number | undefined;
}

const port = parentPort;
if (port === null) throw new Error("this is a thread of shoald, not a program");

const known = new KnownFacts();
let facts: NameFacts | undefined;

function start(first: NameFacts): void {
  const { address, port: at, upstreams, upstreamPort } = workerData as ResolverThreadData;
  const server = new DnsServer({
    ...{ address, upstreams },
    ...(at !== undefined && { port: at }),
    ...(upstreamPort !== undefined && { upstreamPort }),
    facts: () => facts ?? first,
    clock: systemClock,
    log: relayLog((line) => port?.postMessage(line)),
  });
  // Until the daemon ends the thread. An error here is one of the thread, and ends it as well.
  void server.run(new AbortController().signal);
}

port.on("message", (change: FactsChange) => {
  const isFirst = facts === undefined;
  facts = known.apply(change);
  // Nobody is answered by a thread that knows nothing yet.
  if (isFirst) start(facts);
});
