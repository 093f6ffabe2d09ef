import { describe, expect, test } from "vitest";
import { FakeClock, Fault } from "../lib/index.ts";
import type { Health } from "./health.ts";
import type { Probe } from "./health-check.ts";
import { freshHealth, goDuration, type RunProbe, watchHealth } from "./health-watch.ts";

const PROBE: Probe = {
  args: ["look"],
  ...{ intervalMs: 10_000, timeoutMs: 3_000, startPeriodMs: 0, startIntervalMs: 1_000, retries: 3 },
};
const START = 1_700_000_000_000;
const good: RunProbe = async (_args, _signal, onStart) => {
  onStart();
  return { exitCode: 0, output: "fine" };
};
const bad: RunProbe = async () => ({ exitCode: 1, output: "ill" });
/** Ends with its signal, having said something. */
const slow = (output: string, startMs = 0): RunProbe => {
  return async (_args, signal, onStart) => {
    if (startMs === 0) onStart();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return { exitCode: 137, output };
  };
};

/** A watched container on a turned clock: what its probes say is changed in the middle. */
class Watched {
  readonly clock = new FakeClock(START);
  readonly stop = new AbortController();
  health: Health = freshHealth(undefined);
  /** Seconds since the start at which a probe was begun. */
  readonly begun: number[] = [];
  readonly #ended: Promise<unknown>;
  run: RunProbe = good;

  constructor(probe: Partial<Probe> = {}, firstMs?: number) {
    this.#ended = watchHealth(
      {
        ...{ containerId: "c1", probe: { ...PROBE, ...probe }, startedAt: START, clock: this.clock },
        ...(firstMs !== undefined && { firstMs }),
        run: (...all) => {
          this.begun.push((this.clock.now() - START) / 1_000);
          return this.run(...all);
        },
        health: () => this.health,
        take: (health) => {
          this.health = health;
        },
      },
      this.stop.signal,
    ).catch((error: unknown) => error);
  }

  async end(): Promise<unknown> {
    this.stop.abort(new Error("enough"));
    return this.#ended;
  }

  /** "healthy 0: fine" */
  get said(): string {
    const { status, failingStreak, log } = this.health;
    return [`${status} ${failingStreak}`, log.at(-1)?.output].filter(Boolean).join(": ");
  }
}

describe("a container's health", () => {
  test("is starting until a probe has succeeded; failures in a row make it unhealthy, one success healthy", async () => {
    const it = new Watched();
    it.run = bad;
    const seen: string[] = [];
    for (const run of [bad, bad, good, bad, bad, good, bad, bad, bad, bad, good]) {
      it.run = run;
      await it.clock.advance(10_000);
      seen.push(it.said);
    }
    expect(seen).toEqual([
      "starting 1: ill",
      "starting 2: ill",
      "healthy 0: fine",
      "healthy 1: ill",
      "healthy 2: ill",
      "healthy 0: fine",
      "healthy 1: ill",
      "healthy 2: ill",
      "unhealthy 3: ill",
      "unhealthy 4: ill",
      "healthy 0: fine",
    ]);
    expect(it.health.log).toHaveLength(5);
    expect(String(await it.end())).toBe("Error: enough");
  });

  test("failures of the start period do not count, and it is asked more often then", async () => {
    const it = new Watched({ startPeriodMs: 3_500 });
    it.run = bad;
    await it.clock.advance(3_000);
    expect(it.said).toBe("starting 0: ill");
    await it.clock.advance(30_000);
    expect(it.begun).toEqual([1, 2, 3, 4, 14, 24]);
    expect(it.said).toBe("unhealthy 3: ill");
    await it.end();
  });

  test("a success ends the start period", async () => {
    const it = new Watched({ startPeriodMs: 60_000 });
    await it.clock.advance(1_000);
    it.run = bad;
    await it.clock.advance(30_000);
    expect(it.begun).toEqual([1, 11, 21, 31]);
    expect(it.said).toBe("unhealthy 3: ill");
    await it.end();
  });

  test("a probe that is late has failed, with what it said", async () => {
    const it = new Watched({ retries: 1 });
    it.run = slow("one\ntwo");
    await it.clock.advance(13_000);
    expect(it.said).toBe("unhealthy 1: Health check exceeded timeout (3s): one\ntwo");
    expect(it.health.log[0]).toMatchObject({ start: START + 10_000, end: START + 13_000, exitCode: -1 });
    it.run = slow("");
    await it.clock.advance(13_000);
    expect(it.said).toBe("unhealthy 2: Health check exceeded timeout (3s)");
    await it.end();
  });

  test("probes never overlap, and the interval is counted from the end of the last", async () => {
    const it = new Watched();
    it.run = slow("");
    await it.clock.advance(39_000);
    expect(it.begun).toEqual([10, 23, 36]);
    await it.end();
  });

  test("the time it takes to make a probe is not the probe's, but has an end too", async () => {
    const it = new Watched({ retries: 1 });
    it.run = slow("", 1);
    await it.clock.advance(39_000);
    expect(it.said).toBe("starting 0");
    await it.clock.advance(1_000);
    expect(it.said).toBe("unhealthy 1: timed out starting health check for container c1");
    await it.end();
  });

  test("a probe that cannot run has failed; with containerd away nothing is learnt", async () => {
    const it = new Watched({ retries: 1 });
    it.run = async () => {
      throw new Fault("unavailable", "containerd Exec: connection refused");
    };
    await it.clock.advance(20_000);
    expect(it.said).toBe("starting 0");
    it.run = async () => {
      throw new Fault("invalid", "OCI runtime exec failed");
    };
    await it.clock.advance(10_000);
    expect(it.said).toBe("unhealthy 1: OCI runtime exec failed");
    expect(it.health.log).toMatchObject([{ exitCode: -1 }]);
    await it.end();
  });

  test("the first probe comes when it is told to", async () => {
    const it = new Watched({}, 250);
    await it.clock.advance(20_000);
    expect(it.begun).toEqual([0.25, 10.25]);
    await it.end();
  });

  test("an end in the middle of a probe says nothing of the health", async () => {
    const it = new Watched({ retries: 1 });
    it.run = slow("cut");
    await it.clock.advance(11_000);
    expect(String(await it.end())).toBe("Error: enough");
    expect(it.said).toBe("starting 0");
  });

  test("starts anew with its container, but the log goes on", () => {
    const log = [{ start: 1, end: 2, exitCode: 1, output: "" }];
    expect(freshHealth({ status: "unhealthy", failingStreak: 3, log })).toEqual({
      ...{ status: "starting", failingStreak: 0, log },
    });
  });
});

test.each([
  [0.5, "500µs"],
  [300, "300ms"],
  [1_000, "1s"],
  [1_500, "1.5s"],
  [90_000, "1m30s"],
  [3_600_000, "1h0m0s"],
  [3_725_250, "1h2m5.25s"],
])("%d ms is %s", (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
