import { aborted, type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import type { LookedAt, ProcessList } from "../model/index.ts";
import type { NodeWord, VisitorWord, VisitStream, VisitWish } from "../rpc/index.ts";
import type { Containers } from "../runtime/index.ts";
import { ShownProgram } from "./shown-program.ts";

/** What a node lets visitors see of its containers, and how it comes to them. */
export interface VisitDoor {
  /** Opens a visit that the manager at the address asked for. */
  connect(address: string, visitId: string, signal: AbortSignal): VisitStream<NodeWord, VisitorWord>;
  look(containerId: string): Promise<LookedAt>;
  processes(containerId: string, args: string, signal: AbortSignal): Promise<ProcessList>;
}

export interface VisitDeskParts {
  readonly containers: Pick<Containers, "streams">;
  readonly visits: VisitDoor;
  readonly clock: Clock;
  readonly log: Log;
  containerOf(taskId: string): string | undefined;
}

type WishOf<K extends VisitWish["kind"]> = Extract<VisitWish, { kind: K }>;

/** A visit that has begun: what is still to be said, and to be heard. */
interface Open {
  readonly stream: VisitStream<NodeWord, VisitorWord>;
  readonly words: AsyncIterator<VisitorWord>;
}

/** How long programs of visitors may take to die when the agent stops. */
const CLOSE_MS = 2_000;

/**
 * Opens the visits that managers ask this node for: users there look at its tasks' containers and run programs in them. Nobody else can
 * ask, and no other containers are shown. With a visit's end, however it comes, the program that it ran is ended.
 */
export class VisitDesk {
  readonly #parts: VisitDeskParts;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();

  constructor(parts: VisitDeskParts) {
    this.#parts = parts;
  }

  /** The manager at the address asks for a visit. */
  open(address: string, visitId: string): void {
    const visit = this.#serve(address, visitId).finally(() => this.#open.delete(visit));
    this.#open.add(visit);
  }

  /** Ends all visits; resolves when what they ran is dead, or will not die soon. */
  async close(): Promise<void> {
    this.#stop.abort(new Fault("unavailable", "the node stops"));
    const late = new AbortController();
    const patience = sleep(this.#parts.clock, CLOSE_MS, late.signal).catch(() => undefined);
    await Promise.race([Promise.all(this.#open), patience]);
    late.abort();
  }

  async #serve(address: string, visitId: string): Promise<void> {
    const { visits, log } = this.#parts;
    const stream = visits.connect(address, visitId, this.#stop.signal);
    try {
      const words = stream.messages[Symbol.asyncIterator]();
      const { value: ask = undefined } = await words.next();
      if (ask?.kind === "ask") await this.#answer(ask, { stream, words });
    } catch (error) {
      if (stream.over.aborted) log.debug("visit broke off", { error: messageOf(error) });
      const { kind, message } = Fault.from(error);
      await stream.send({ kind: "refused", fault: { kind, message } });
    } finally {
      stream.close();
    }
  }

  async #answer({ taskId, wish }: Extract<VisitorWord, { kind: "ask" }>, visit: Open): Promise<void> {
    const { stream } = visit;
    const { visits, containerOf } = this.#parts;
    const id = containerOf(taskId);
    if (id === undefined) throw new Fault("not-found", `No such container: task ${taskId} has none here`);
    switch (wish.kind) {
      case "look":
        return stream.send({ kind: "looked", ...(await visits.look(id)) });
      case "processes":
        return stream.send({ kind: "processes", ...(await visits.processes(id, wish.args, stream.over)) });
      case "program":
        return this.#run(id, wish, visit);
    }
  }

  async #run(id: string, { order, isDetached }: WishOf<"program">, { stream, words }: Open): Promise<void> {
    const { streams } = this.#parts.containers;
    if (isDetached) {
      const program = await streams.open(id, order, { write: () => undefined });
      await stream.send({ kind: "started", pid: program.pid });
      return stream.send({ kind: "ended", exitCode: await program.ended });
    }
    const shown = new ShownProgram(stream, order.hasInput);
    const program = await streams.open(id, order, shown);
    shown.begin(program, words);
    const first = await Promise.race([program.ended, aborted(stream.over)]);
    if (first === undefined) await program.kill();
    await stream.send({ kind: "ended", exitCode: await program.ended });
  }
}
