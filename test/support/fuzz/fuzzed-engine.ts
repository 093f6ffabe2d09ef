import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aContainerInfo, anImage, FakeBackends } from "../../../src/api/backends.fake.ts";
import { type ApiRequest, type ApiResponse, ApiServer, type Route } from "../../../src/api/index.ts";
import { allRoutes } from "../../../src/api/routes/index.ts";
import { type LogLine, newId, type Random, relayLog, seededRandom } from "../../../src/lib/index.ts";
import { joinTokens, Manager } from "../../../src/manager/index.ts";
import { put } from "../../../src/model/index.ts";
import { aNode } from "../../../src/model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../../../src/store/index.ts";
import { systemClock as clock } from "../../../src/sys/index.ts";
import { clusterSpecFromWire } from "../../../src/wire/index.ts";
import { schemasRead } from "../../../src/wire/json.ts";
import type { FuzzRequest, Learnt } from "./requests.ts";

export interface FuzzAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** A stream that had not ended when its client left. */
  readonly isCut: boolean;
}

/** Routes whose answer may wait for what happens. Any other has to be through by itself. */
const WAITS = /\/(events|logs|attach|wait|start|resize)$/;
/** Far more than any answer needs. */
const HANG_MS = 30_000;
/** How many turns of the event loop one waits for the next piece of a stream. */
const TURNS = 20;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The whole Engine API on a socket: the real server, routes, wire and control over a store in memory, and a machine's fakes. */
export class FuzzedEngine {
  readonly store: Store;
  readonly backends: FakeBackends = new FakeBackends(clock);
  readonly random: Random = seededRandom(1);
  /** Own mistakes that the server logged. */
  readonly errors: string[] = [];
  readonly #learnt = new Map<string, Learnt>();
  readonly #folder = mkdtempSync(join(tmpdir(), "shoal-fuzz-"));
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #stop = new AbortController();
  readonly #server: ApiServer;
  readonly routes: readonly Route[] = allRoutes;
  #open = 0;

  private constructor(store: Store) {
    this.store = store;
    void store.run(this.#stop.signal);
    const log = relayLog(({ level, message, fields }: LogLine) => {
      if (level === "error") this.errors.push(`${message}: ${fields["error"]}`);
    });
    const routes = allRoutes.map((route) => this.#watched(route));
    this.#server = new ApiServer({ backends: this.backends, clock, log, version: "0.0.1", routes });
  }

  static async start(): Promise<FuzzedEngine> {
    const log = relayLog(() => undefined);
    const store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log });
    const engine = new FuzzedEngine(store);
    const { random, backends } = engine;
    const manager = new Manager({ store, clock, random, log });
    const spec = clusterSpecFromWire({});
    await manager.cluster.create({ spec, addressPools: [], subnetSize: 0, dataPathPort: 0 });
    await store.update([put("node", aNode("node1", { version: 0 }))]);
    const { cluster, services, networks, nodes, tasks, guests, secrets, configs } = manager;
    backends.managing = {
      ...{ cluster, services, networks, nodes, tasks, guests, secrets, configs },
      joinTokens: () => joinTokens(cluster.get()),
      leaderId: () => "node1",
      logs: noLines,
    };
    backends.swarmState = { ...backends.swarmState, nodeId: "node1", state: "active", isManager: true };
    backends.containers.put(aContainerInfo({ id: newId(random).padEnd(64, "0"), name: "web" }));
    backends.images.put(anImage());
    await engine.#server.listen(`unix://${engine.#socket}`);
    return engine;
  }

  get #socket(): string {
    return join(this.#folder, "api.sock");
  }

  learntOf = ({ method, path }: Route): Learnt => {
    const key = `${method} ${path}`;
    const learnt = this.#learnt.get(key) ?? { queries: new Set(), schemas: new Set() };
    this.#learnt.set(key, learnt);
    return learnt;
  };

  /** The answer. Throws when there is none, or when the server goes on for a client that has left. */
  async ask(asked: FuzzRequest): Promise<FuzzAnswer> {
    const late = new AbortController();
    const timer = clock.after(HANG_MS, () => late.abort(new Error("no answer: it hangs")));
    try {
      const answer = await this.#send(asked, late.signal);
      while (this.#open > 0) {
        late.signal.throwIfAborted();
        await turn();
      }
      return answer;
    } finally {
      timer.cancel();
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#server.close();
    this.#stop.abort();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #send({ route, method, path, headers, body }: FuzzRequest, late: AbortSignal): Promise<FuzzAnswer> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest({ socketPath: this.#socket, agent: this.#agent, method, path, headers });
      const fail = (error: Error) => reject(late.aborted ? late.reason : error);
      late.addEventListener("abort", () => sent.destroy(), { once: true });
      sent.on("error", fail);
      sent.on("response", (response) => void read(response).then(resolve, fail));
      sent.on("upgrade", (_, socket) => {
        socket.on("error", () => undefined);
        socket.destroy();
        resolve({ status: 101, type: "", text: "", isCut: true });
      });
      sent.end(body);
      if (WAITS.test(route.path)) void this.#leave(sent).then((left) => left && resolve(LEFT));
    });
  }

  /** Some requests are answered when something happens: their clients lose patience. */
  async #leave(sent: ReturnType<typeof httpRequest>): Promise<boolean> {
    let isAnswered = false;
    for (const event of ["response", "upgrade", "close"]) sent.once(event, () => (isAnswered = true));
    for (let i = 0; i < 50 * TURNS && !isAnswered; i++) await turn();
    if (!isAnswered) sent.destroy();
    return !isAnswered;
  }

  /** The route, watched: what it looks at, and whether it is at work. */
  #watched(route: Route): Route {
    const handle: Route["handle"] = async (request, backends) => {
      this.#open++;
      try {
        schemasRead.clear();
        const { queries, schemas } = this.learntOf(route);
        const query = new WatchedQuery(request.query, queries);
        const answer = await route.handle({ ...request, query } satisfies ApiRequest, backends);
        for (const schema of schemasRead) schemas.add(schema);
        return answer.kind === "stream" ? { ...answer, chunks: this.#counted(answer.chunks) } : answer;
      } catch (error) {
        for (const schema of schemasRead) this.learntOf(route).schemas.add(schema);
        throw error;
      } finally {
        this.#open--;
      }
    };
    return { ...route, handle };
  }

  async *#counted(chunks: Extract<ApiResponse, { kind: "stream" }>["chunks"]): AsyncGenerator<Uint8Array> {
    this.#open++;
    try {
      yield* chunks;
    } finally {
      this.#open--;
    }
  }
}

const LEFT: FuzzAnswer = { status: 0, type: "", text: "", isCut: true };

// biome-ignore lint/correctness/useYield: there are no logs
async function* noLines(): AsyncGenerator<never, string[]> {
  return [];
}

/** An answer of a known length is read to its end; of a stream, what is there. */
async function read(response: IncomingMessage): Promise<FuzzAnswer> {
  const { statusCode: status = 0, headers } = response;
  const type = headers["content-type"] ?? "";
  const chunks: Buffer[] = [];
  let quiet = 0;
  let isOver = false;
  response.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    quiet = 0;
  });
  response.on("error", () => undefined);
  response.on("close", () => (isOver = true));
  const isBounded = headers["content-length"] !== undefined;
  while (!isOver && (isBounded || quiet++ < TURNS)) await turn();
  const isCut = !isOver;
  if (isCut) response.destroy();
  if (!isCut && !response.complete) throw new Error("the answer breaks off");
  return { status, type, text: Buffer.concat(chunks).toString(), isCut };
}

/** Notes which of its words are asked for. */
class WatchedQuery extends URLSearchParams {
  readonly #asked: Set<string>;

  constructor(query: URLSearchParams, asked: Set<string>) {
    super(query);
    this.#asked = asked;
  }

  override get(name: string): string | null {
    this.#asked?.add(name);
    return super.get(name);
  }

  override getAll(name: string): string[] {
    this.#asked?.add(name);
    return super.getAll(name);
  }

  override has(name: string): boolean {
    this.#asked?.add(name);
    return super.has(name);
  }
}
