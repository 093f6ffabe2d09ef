import { Fault, messageOf } from "../lib/index.ts";
import {
  describeOperation,
  EMPTY_NAMESPACE,
  findClash,
  HOST,
  LAST_STAGE,
  type NodeNetwork,
  type ObservedNamespace,
  stageOf,
} from "../netstate/index.ts";
import type { ApplyReport, Kernel, ObservedNetwork } from "./kernel.ts";
import { FakeMachine } from "./machine.fake.ts";
import { countOf, planRound, type RoundPlan } from "./plan-round.ts";

/** A kernel in memory. Two on the same machine are an old shoald and its successor. */
export class FakeKernel implements Kernel {
  readonly machine: FakeMachine;

  constructor(machine: FakeMachine = new FakeMachine()) {
    this.machine = machine;
  }

  async apply(wanted: NodeNetwork): Promise<ApplyReport> {
    const first = this.#round(wanted);
    // What was in the way may be gone by the end of the first round.
    const last = first.failed.size > 0 ? this.#round(wanted) : first;
    const failures = [...last.failed].map(([namespace, error]) => ({ namespace, error }));
    return { failures, changes: countOf(first.plan) + (last === first ? 0 : countOf(last.plan)) };
  }

  async sweep(wanted: NodeNetwork): Promise<string[]> {
    const { plan, failed } = this.#round(wanted);
    const repairs = [...plan].flatMap(([name, operations]) =>
      operations.map((operation) => `${name}: ${describeOperation(operation)}`),
    );
    return [...repairs, ...[...failed].map(([namespace, error]) => `${namespace}: ${error}`)];
  }

  async observe(wanted: NodeNetwork): Promise<ObservedNetwork> {
    const all = this.machine.network().namespaces;
    return {
      namespaces: Object.fromEntries(Object.entries(all).filter(([name]) => name in wanted.namespaces)),
    };
  }

  watch(signal: AbortSignal, onChange: () => void): void {
    let told = false;
    const stop = this.machine.onMeddled(() => {
      if (told) return;
      told = true;
      queueMicrotask(() => {
        told = false;
        if (!signal.aborted) onChange();
      });
    });
    signal.addEventListener("abort", stop, { once: true });
  }

  /** Namespaces in memory have no connections. */
  async undelivered(_namespace: string): Promise<number> {
    return 0;
  }

  async portsInUse(): Promise<ReadonlySet<string>> {
    return this.machine.portsInUse;
  }

  async lackOfSctp(): Promise<string> {
    return this.machine.lackOfSctp;
  }

  async lackOfEncryption(): Promise<string> {
    return "";
  }

  async lackOfFlowTables(): Promise<string> {
    return "";
  }

  async destroy(): Promise<void> {
    this.#round({ namespaces: { [HOST]: EMPTY_NAMESPACE } });
  }

  #round(wanted: NodeNetwork): { readonly plan: RoundPlan; readonly failed: Map<string, string> } {
    const failed = new Map<string, string>();
    for (const name of Object.keys(wanted.namespaces))
      if (this.machine.read(name) === undefined) this.machine.create(name);
    const plan = planRound(this.#nows(wanted, failed), wanted);
    for (let stage = 0; stage <= LAST_STAGE; stage++) this.#runStage(stage, plan, wanted, failed);
    for (const name of this.machine.names()) if (!(name in wanted.namespaces)) this.machine.remove(name);
    return { plan, failed };
  }

  #nows(wanted: NodeNetwork, failed: Map<string, string>): Map<string, ObservedNamespace> {
    const nows = new Map<string, ObservedNamespace>();
    for (const [name, want] of Object.entries(wanted.namespaces)) {
      const clash = findClash(want);
      if (clash === undefined) nows.set(name, this.machine.read(name) ?? EMPTY_NAMESPACE);
      else failed.set(name, clash);
    }
    return nows;
  }

  /** One namespace's trouble does not stop the others; the first is told. */
  #runStage(stage: number, plan: RoundPlan, wanted: NodeNetwork, failed: Map<string, string>): void {
    for (const [name, operations] of plan) {
      for (const operation of operations.filter((o) => stageOf(o) === stage)) {
        try {
          this.machine.run(name, operation, wanted);
        } catch (cause) {
          const fault = new Fault("internal", `cannot ${describeOperation(operation)}: ${messageOf(cause)}`);
          if (!failed.has(name)) failed.set(name, fault.message);
        }
      }
    }
  }
}
