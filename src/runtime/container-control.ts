import type { GrpcClient } from "../grpc/index.ts";
import type { Resources } from "./container.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { alreadyPaused, notPaused, notRunning } from "./container-faults.ts";
import type { ContainerKeeper } from "./container-keeper.ts";
import { replaceSpec, updateContainer } from "./container-store.ts";
import { killTask, pauseTask, resumeTask, updateTask } from "./container-task.ts";
import type { Machine } from "./machine.ts";
import type { OciResources, OciSpec } from "./oci.ts";
import { SIGKILL, signalNumber } from "./signals.ts";
import { resourcesOf } from "./spec-resources.ts";

export interface ControlParts {
  readonly client: GrpcClient;
  readonly keeper: ContainerKeeper;
  readonly machine: Machine;
}

/** What is done to a container that is there, beside starting and ending it. */
export class ContainerControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Fault "conflict" when it does not run. */
  async kill(id: string, signal: string): Promise<void> {
    const entry = this.#parts.keeper.require(id);
    const number = signalNumber(signal);
    if (entry.status !== "running" || !(await this.signal(entry, number))) throw notRunning(id);
  }

  /** False when it has ended meanwhile. */
  async signal(entry: ContainerEntry, number: number): Promise<boolean> {
    const { client, keeper } = this.#parts;
    if (!(await killTask(client, entry.id, number))) return false;
    keeper.emit("kill", entry, { details: { signal: String(number) } });
    if (number === SIGKILL) await this.thaw(entry);
    return true;
  }

  /** Processes that stand still do not die either. */
  async thaw(entry: ContainerEntry): Promise<void> {
    if (!entry.isPaused) return;
    await resumeTask(this.#parts.client, entry.id);
    entry.isPaused = false;
  }

  pause(id: string): Promise<void> {
    return this.#locked(id, async (entry) => {
      if (entry.status !== "running") throw notRunning(id);
      if (entry.isPaused) throw alreadyPaused(id);
      await pauseTask(this.#parts.client, id);
      entry.isPaused = true;
      this.#parts.keeper.emit("pause", entry);
    });
  }

  unpause(id: string): Promise<void> {
    return this.#locked(id, async (entry) => {
      if (entry.status !== "running") throw notRunning(id);
      if (!entry.isPaused) throw notPaused(id);
      await resumeTask(this.#parts.client, id);
      entry.isPaused = false;
      this.#parts.keeper.emit("unpause", entry);
    });
  }

  /** `claim` throws when another has the name. */
  rename(id: string, name: string, claim: () => void): Promise<void> {
    return this.#locked(id, async (entry) => {
      claim();
      const oldName = entry.record.config.name;
      const record = { ...entry.record, config: { ...entry.record.config, name } };
      await updateContainer(this.#parts.client, record);
      entry.record = record;
      this.#parts.keeper.emit("rename", entry, { details: { oldName: `/${oldName}` } });
    });
  }

  /** Lays limits over its own, at once when it runs. */
  update(id: string, resources: Resources): Promise<void> {
    const { client, keeper, machine } = this.#parts;
    return this.#locked(id, async (entry) => {
      const { config } = entry.record;
      const wanted = { ...config.resources, ...resources };
      const limits = resourcesOf(wanted, machine);
      // Rules for devices stay as they are: runc would take them for new ones.
      if (entry.status === "running") await updateTask(client, id, { ...limits, devices: [] });
      const record = { ...entry.record, config: { ...config, resources: wanted } };
      await replaceSpec(client, record, (spec) => withLimits(spec, limits));
      entry.record = record;
      keeper.emit("update", entry);
    });
  }

  #locked(id: string, work: (entry: ContainerEntry) => Promise<void>): Promise<void> {
    const { keeper } = this.#parts;
    return keeper.locked(id, () => work(keeper.require(id)));
  }
}

function withLimits(spec: OciSpec, limits: OciResources): OciSpec {
  const { devices } = spec.linux.resources;
  return { ...spec, linux: { ...spec.linux, resources: { ...limits, devices } } };
}
