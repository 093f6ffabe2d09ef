import type { FaultKind } from "../lib/index.ts";
import type { LookedAt, ProcessList, ProgramOrder, TerminalSize } from "../model/index.ts";

/** What a manager's user wants of a task's container on another node. */
export type VisitWish =
  /** Answered by "looked". */
  | { readonly kind: "look" }
  /** Answered by "processes". `args` is for ps(1). */
  | { readonly kind: "processes"; readonly args: string }
  /** Answered by "started", "output" and "ended". One that is detached runs on when the visit is over, and writes to nobody. */
  | { readonly kind: "program"; readonly order: ProgramOrder; readonly isDetached: boolean };

/** What a manager says on a visit. */
export type VisitorWord =
  /** First. */
  | { readonly kind: "ask"; readonly taskId: string; readonly wish: VisitWish }
  | { readonly kind: "input"; readonly data: Uint8Array }
  | { readonly kind: "input-end" }
  | { readonly kind: "resize"; readonly size: TerminalSize };

/** What the visited node says. */
export type NodeWord =
  /** First: which visit it opened. */
  | { readonly kind: "come"; readonly visitId: string }
  /** Last, instead of anything else. */
  | { readonly kind: "refused"; readonly fault: { readonly kind: FaultKind; readonly message: string } }
  | ({ readonly kind: "looked" } & LookedAt)
  | ({ readonly kind: "processes" } & ProcessList)
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "output"; readonly stream: "stdout" | "stderr"; readonly data: Uint8Array }
  /** Last: all output was sent. */
  | { readonly kind: "ended"; readonly exitCode: number };
