import { performance } from "node:perf_hooks";
import { planStack, readStack, type StackObjects } from "../src/compose/index.ts";

/*
 * What a plan of a large stack costs, from the text of its file to the steps: `npx tsx bench/stack.ts`. Files and daemon are left
 * out; the cluster is what an earlier deployment of the same file left.
 */

const SIZES = [1, 50, 500];
const ROUNDS = 5;

/** Services that say about what services in real files say. */
function fileOf(services: number): string {
  const one = (i: number) => `
  s${i}:
    image: registry.example.org/team/s${i}:1.2.3
    command: ["serve", "--port=8080", "--name=s${i}"]
    environment: { A: "1", B: "\${B:-two}", C: "three", NAME: s${i}, URL: "http://s${i}:8080" }
    networks: { front: , back: { aliases: [a${i}] } }
    volumes: ["data${i}:/data", "/etc/localtime:/etc/localtime:ro"]
    secrets: [{ source: key, target: key${i}, mode: 0400 }]
    configs: [{ source: site, target: /etc/site${i}.conf }]
    ports: ["${10_000 + i}:8080"]
    healthcheck: { test: ["CMD", "true"], interval: 10s, timeout: 3s, retries: 3 }
    ${i > 0 && i % 5 === 0 ? `depends_on: { s${i - 1}: { condition: service_healthy } }` : ""}
    deploy:
      replicas: 3
      labels: { team: t${i % 7} }
      resources: { limits: { cpus: "0.5", memory: 256M } }
      update_config: { parallelism: 1, delay: 5s, order: start-first }
      placement: { constraints: [node.labels.zone != z${i % 3}], preferences: [{ spread: node.labels.rack }] }`;
  const all = Array.from({ length: services }, (_, i) => i);
  return `services:${all.map(one).join("")}
networks: { front: , back: { internal: true } }
volumes: { ${all.map((i) => `data${i}: `).join(", ")} }
secrets: { key: { file: ./key } }
configs: { site: { file: ./site } }
`;
}

const contents = (version: string) =>
  new Map(["secret key", "config site"].map((key) => [key, { base64: "", version }]));

function readOf(text: string) {
  const source = { files: ["/s/stack.yml"], folder: "/s", env: () => undefined, envFiles: [] };
  const read = (path: string) => (path === "/s/stack.yml" ? text : undefined);
  const { stack, problems } = readStack({ ...source, read }, { name: "big", profiles: [] });
  if (stack === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return stack;
}

const EMPTY: StackObjects = { networks: [], secrets: [], configs: [], services: [], tasks: [] };

/** What a deployment of the stack leaves. */
function deployed(text: string): StackObjects {
  const { steps } = planStack(readOf(text), EMPTY, contents("old"));
  const of = (kind: string) => steps.filter((step) => step.kind === kind).map(({ body = {} }) => body);
  return {
    networks: of("network").map((body, i) => ({ ...body, Id: `n${i}`, Scope: "swarm" })),
    secrets: of("secret").map((Spec, i) => ({ ID: `s${i}`, Spec })),
    configs: of("config").map((Spec, i) => ({ ID: `c${i}`, Spec })),
    services: of("service").map((Spec, i) => ({ ID: `v${i}`, Version: { Index: i }, Spec })),
    tasks: of("service").flatMap((_, i) =>
      [1, 2, 3].map((Slot) => ({
        ServiceID: `v${i}`,
        Slot,
        DesiredState: "running",
        Status: { State: "running" },
        Spec: {},
      })),
    ),
  };
}

console.log(
  "| services | first plan, ms | plan again, median ms | of it CPU, ms | steps when a secret changed |\n| ---: | ---: | ---: | ---: | ---: |",
);
for (const size of SIZES) {
  const text = fileOf(size);
  const objects = deployed(text);
  const times = Array.from({ length: ROUNDS }, () => {
    const [begun, cpu] = [performance.now(), process.cpuUsage()];
    const { steps } = planStack(readOf(text), objects, contents("new"));
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - begun, cpuMs: (user + system) / 1000, steps: steps.length };
  });
  const median = (all: readonly number[]) =>
    (all.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0).toFixed(0);
  const [ms, cpu] = [median(times.map((one) => one.ms)), median(times.map((one) => one.cpuMs))];
  console.log(`| ${size} | ${(times[0]?.ms ?? 0).toFixed(0)} | ${ms} | ${cpu} | ${times[0]?.steps} |`);
}
