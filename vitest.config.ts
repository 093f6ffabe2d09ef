import { defineConfig, type ViteUserConfig } from "vitest/config";

/** A condition is waited for as long as a busy machine may take; a test that passes does not wait. */
const poll = { timeout: 20_000, interval: 10 };

/**
 * A lane that touches the kernel: root, one process a file, two at a time: each file has hosts, daemons or a lab of its own, and for most
 * of its time waits for the clocks of a policy or for what must not come.
 */
const rootLane = (name: string, seconds: number, workers = 2, others: readonly string[] = []) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`, ...others],
    pool: "forks" as const,
    maxWorkers: workers,
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    expect: { poll },
  },
});

/** The unit lane is pure and shares one process, a thread a processor, shuffled, so that leaks between tests show. */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "test/*.test.ts",
            "test/conformance/*.test.ts",
            "scripts/**/*.test.ts",
            "examples/**/*.test.ts",
          ],
          pool: "threads",
          isolate: false,
          maxWorkers: "100%",
          sequence: { shuffle: true },
          testTimeout: 120_000,
          expect: { poll },
        },
      },
      {
        test: {
          // Whole clusters in memory, on virtual time: see docs/simulator.md.
          name: "sim",
          include: ["test/sim/*.test.ts"],
          pool: "threads",
          maxWorkers: "100%",
          testTimeout: 240_000,
        },
      },
      rootLane("kernel", 60),
      rootLane("runtime", 120),
      rootLane("e2e", 300),
      // In a virtual machine with Debian's stock kernel: see docs/vm-lane.md. What the kernel lane asks of any kernel, too.
      rootLane("vm", 120, 1, [
        "test/kernel/contract.test.ts",
        "test/kernel/packets.test.ts",
        "test/kernel/ipv6.test.ts",
        "test/kernel/one-port.test.ts",
      ]),
    ],
  },
});

export default config;
