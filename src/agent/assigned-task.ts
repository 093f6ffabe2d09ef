import type { Task } from "../model/index.ts";

/** A task as a manager tells it (manager/assignments.ts): all but what the node itself reports. */
export type AssignedTask = Omit<Task, "status" | "version" | "updatedAt" | "notBefore" | "after"> & {
  /** It comes from the disk, where its registry credentials are not kept: a manager has to say them again. */
  readonly lacksCredentials?: true;
};
