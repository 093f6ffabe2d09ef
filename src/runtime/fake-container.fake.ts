import type { ContainerConfig, ContainerState, FileContents, LogEntry } from "./container.ts";
import type { ExecResult } from "./health.ts";
import type { Probe } from "./health-check.ts";

/** One of FakeContainers', with what is to be known of it beside its state. */
export interface FakeContainer {
  state: ContainerState;
  readonly stopSignal: number;
  /** What the process does on its stop signal: undefined when it does not care. */
  onStop: number | undefined;
  readonly entries: LogEntry[];
  /** Files that its scripts have made. */
  readonly files: Set<string>;
  /** What the files of its config hold. */
  readonly contents: FileContents;
  readonly probe: Probe | undefined;
  names?: Pick<ContainerConfig, "hosts" | "dns">;
  /** What its probes say, whatever they run. */
  answer: ExecResult | undefined;
  probing: AbortController | undefined;
}
