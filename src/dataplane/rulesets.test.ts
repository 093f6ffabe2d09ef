import { resolve } from "node:path";
import { expect, test } from "vitest";
import { HOST, type NodeNetwork, printNamespace } from "../netstate/index.ts";
import { planNetwork } from "./plan-network.ts";
import { SCENARIOS, type Scenario, TAG } from "./scenarios.fake.ts";

/** The pages under docs/rulesets are what the planner says today. `npx vitest run --project unit rulesets -u` writes them. */

const folder = resolve(import.meta.dirname, "../../docs/rulesets");

test.each(SCENARIOS)("$name", async (scenario) => {
  const network = planNetwork(scenario.facts, { tag: TAG, flowTables: scenario.flowTables ?? false });
  await expect(pageOf(scenario, network)).toMatchFileSnapshot(`${folder}/${scenario.name}.md`);
});

test("the list of pages", async () => {
  const lines = SCENARIOS.map(({ name, title }) => `- [${title}](${name}.md)`);
  const head = `# Rulesets

What Shoal puts into the kernel, by example: each page shows all namespaces of one node, in the words of \`ip\`, \`bridge\`,
\`sysctl\` and \`nft\`. The tests write these pages and compare them. [overlay.md](../overlay.md) tells how a packet travels.`;
  await expect(`${head}\n\n${lines.join("\n")}\n`).toMatchFileSnapshot(`${folder}/README.md`);
});

function pageOf({ title, prose, facts }: Scenario, network: NodeNetwork): string {
  const byHand = new Set(
    facts.tasks.flatMap(({ taskId, devices }) => (devices === undefined ? [] : [taskId])),
  );
  const sections = Object.entries(network.namespaces).map(
    ([name, namespace]) => `## ${headingOf(name, byHand)}\n\n\`\`\`\n${printNamespace(namespace)}\`\`\`\n`,
  );
  return `# ${title}\n\n${prose}\n\n${sections.join("\n")}`;
}

function headingOf(name: string, byHand: ReadonlySet<string>): string {
  if (name === HOST) return "The host";
  const [kind, id] = [name.slice(0, name.indexOf("-")), name.slice(name.indexOf("-") + 1)];
  if (kind === "net") return `The sandbox of network ${id}`;
  return `${byHand.has(id) ? "Container" : "Task"} ${id}`;
}
