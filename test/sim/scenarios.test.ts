import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { survive } from "../support/sim/run.ts";
import { formatScenario, parseScenario } from "../support/sim/scenario.ts";
import type { SimCluster } from "../support/sim/sim-cluster.ts";
import { Transcript } from "../support/sim/transcript.ts";

/** Each file says what is done to a cluster and, below, what happened: `vitest run --project sim -u` writes that anew. */

const FOLDER = join(import.meta.dirname, "scenarios");

test.each(readdirSync(FOLDER))("%s", async (file) => {
  const path = join(FOLDER, file);
  const scenario = parseScenario(readFileSync(path, "utf8"));
  let transcript: Transcript | undefined;
  const record = (world: SimCluster) => {
    transcript = new Transcript(world);
    return transcript;
  };
  const { broken } = await survive(scenario.history, {}, [record], false);
  expect(broken).toBeUndefined();
  await expect(formatScenario(scenario, transcript?.lines ?? [])).toMatchFileSnapshot(path);
});
