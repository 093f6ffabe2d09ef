import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import { EMPTY_NAMESPACE, HOST, type NodeNetwork } from "../../src/netstate/index.ts";
import { exec } from "../../src/sys/index.ts";
import { type KernelState, kernelState } from "../support/kernel-state.ts";
import { buildProgram, makeTestHost, type TestHost } from "../support/netns.ts";
import { factsOf } from "../support/network-facts.ts";
import { TALKERS, votes } from "../support/sketches.ts";

/** shoald killed (SIGKILL) anywhere in the middle of a change: the next one brings the kernel to where it has to be. */

const DEATHS = 12;

const plan = (sketch: typeof TALKERS) => planNetwork(factsOf(sketch, 1), { tag: "sh" });
const NOTHING: NodeNetwork = { namespaces: { [HOST]: EMPTY_NAMESPACE } };
const TALK = plan(TALKERS);
const VOTE = plan(votes(6));

let host: TestHost;
let program: string;

beforeAll(async () => {
  host = await makeTestHost();
  program = buildProgram("test/support/dying-kernel.ts");
});

afterAll(async () => {
  rmSync(program, { recursive: true });
  await host.dispose();
});

/** What the program printed; nothing when it was killed. */
async function change(to: NodeNetwork, dieAt: number): Promise<string> {
  const file = join(program, "network.json");
  writeFileSync(file, JSON.stringify(to));
  const argv = [process.execPath, join(program, "program.js"), host.folder, file, String(dieAt)];
  return (await exec(["nsenter", `--net=${host.path()}`, "--", ...argv])).stdout;
}

/** Makes it so with a kernel that lives. */
async function settle(to: NodeNetwork): Promise<KernelState> {
  const kernel = host.kernel();
  try {
    expect((await kernel.apply(to)).failures).toEqual([]);
    return await kernelState(host);
  } finally {
    await kernel.close();
  }
}

test.each([
  ["coming up", NOTHING, TALK],
  ["going from one state to another", TALK, VOTE],
  ["going away", TALK, NOTHING],
])(
  `killed at ${DEATHS} points of %s, the next one ends where it has to`,
  { timeout: 240_000 },
  async (_, from, to) => {
    await settle(from);
    const { requests, failures } = JSON.parse(await change(to, 0)) as {
      requests: number;
      failures: unknown[];
    };
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(DEATHS);
    const right = await settle(to);
    for (let i = 0; i < DEATHS; i++) {
      await settle(from);
      const dieAt = 1 + Math.floor((i * (requests - 1)) / (DEATHS - 1));
      expect(await change(to, dieAt), `request ${dieAt}`).toBe("");
      expect(await settle(to), `killed before request ${dieAt} of ${requests}`).toEqual(right);
    }
    await settle(NOTHING);
  },
);
