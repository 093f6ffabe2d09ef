import type { Instant } from "../lib/index.ts";

/**
 * HEALTHCHECK in the user's or the image's words: zero and absent fields are the image's, else Docker's defaults
 * (30 s, 30 s, 0 s, 5 s, 3).
 */
export interface HealthCheck {
  /** ["NONE"], ["CMD", …], ["CMD-SHELL", line]; empty: the image's. */
  readonly test: readonly string[];
  /** From the end of a probe to the next. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in this time after the start do not count, unless a probe has succeeded. */
  readonly startPeriodMs: number;
  /** Instead of the interval in that time. */
  readonly startIntervalMs: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** What one probe ended with. */
export interface ProbeResult {
  readonly start: Instant;
  readonly end: Instant;
  /** -1: it did not end in time, or could not run. */
  readonly exitCode: number;
  /** Both streams as they came, at most 4096 bytes. */
  readonly output: string;
}

/** How a container with a health check is. */
export interface Health {
  readonly status: HealthStatus;
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The last five, oldest first. */
  readonly log: readonly ProbeResult[];
}

/** A program to run in a container, with what differs from its process 1. */
export interface ExecConfig {
  readonly args: readonly string[];
  /** As ContainerConfig's. */
  readonly user?: string;
  readonly dir?: string;
  /** "KEY=value"; added to the container's. */
  readonly env?: readonly string[];
}

export interface ExecResult {
  /** 0 to 255; 128 + n when signal n ended it. */
  readonly exitCode: number;
  /** Both streams as they came; cut at 4096 bytes, and then it ends in "...". */
  readonly output: string;
}
