import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { replicasOf } from "../../src/model/index.ts";
import { exec } from "../../src/sys/index.ts";
import { ApiCluster, type ApiDaemon } from "../support/api-cluster.ts";

/*
 * Conversations of the stock docker CLI with the API of swarm objects (real server, control and deciders; machines are
 * played). testdata/docker-swarm-<major>.txt holds what a CLI said; to record another one make the file, empty, and:
 * npx vitest run --project runtime test/runtime/docker-swarm -u
 */

const version = (await exec(["docker", "--version"])).stdout;
const major = /version (\d+)\./.exec(version)?.[1];
const golden = join(import.meta.dirname, "testdata", `docker-swarm-${major}.txt`);

const stack = join(import.meta.dirname, "testdata/stack.yml");

let cluster: ApiCluster;
let hosts: Record<string, ApiDaemon>;

beforeAll(async () => {
  cluster = new ApiCluster();
  hosts = { 1: await cluster.daemon(), 2: await cluster.daemon() };
});
afterAll(() => cluster.close());

/** What differs from run to run: ids, tokens, certificates, times, and how wide columns are because of them. */
function redact(text: string): string {
  return text
    .replace(/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, "<token>")
    .replace(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----(\\n)?/g, "<certificate>")
    .replace(/"CertIssuer(\w+)": ".*?"/g, '"CertIssuer$1": "<base64>"')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replace(/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.?\d* \+0000 utc/g, "<time>")
    .replace(/(about a|less than a|\d+) (seconds?|minutes?)( ago)?/gi, "<while>$3")
    .replace(/"Index": \d+/g, '"Index": <version>')
    .replace(/\b[0-9a-z]{25}\b/g, "<id>")
    .replace(/\b(?=[a-z]*\d)[0-9a-z]{12}\b/g, "<id>")
    .replace(/^(Started|Completed|Updated|Created):.*$/gm, "$1: <time>")
    .replace(/(Issuer Public Key:\s+)\S+/g, "$1<base64>")
    .replace(/(\S) {2,}/g, "$1  ")
    .replace(/ +$/gm, "");
}

/** One command on a host ("2: docker node ls" is host 2), as a reader would see it. */
async function say(command: string): Promise<string> {
  const [, host = "1", words = command] = /^(\d): (.*)$/.exec(command) ?? [];
  const token = cluster.manager === undefined ? "" : await workerToken();
  const args = words.replace("TOKEN", token).replace("STACK", stack).split(" ");
  const socket = hosts[host]?.socket ?? "";
  const { code, stdout, stderr } = await exec(["docker", "-H", `unix://${socket}`, ...args]);
  const errors = stderr.replace(/^(?=.)/gm, "! ");
  const prompt = host === "1" ? "$" : `host ${host} $`;
  return `${prompt} docker ${words}\n${redact(stdout)}${redact(errors)}${code === 0 ? "" : `(exit ${code})\n`}`;
}

async function workerToken(): Promise<string> {
  const swarm = await hosts["1"]?.ask("GET", "/swarm");
  return swarm?.json?.JoinTokens?.Worker ?? "";
}

/** Waits until every service has what it wants, so that the next command sees a still picture. */
async function settle(): Promise<void> {
  if (cluster.store === undefined) return;
  await cluster.until(({ view }) =>
    [...view.all("service")].every((service) => {
      const tasks = [...view.tasksByService(service.id)];
      const current = tasks.filter((t) => t.desiredState === "running" && t.status.state === "running");
      const halfway = tasks.some((t) => t.desiredState === "shutdown" && t.status.state === "running");
      const updating = service.updateStatus?.state === "updating";
      return (
        (current.length === replicasOf(service.spec.mode) && !halfway && !updating) ||
        isStuck(tasks.map((t) => t.status.state))
      );
    }),
  );
}

/** Nothing runs and all that is wanted waits: a service that fits on no node. */
function isStuck(states: readonly string[]): boolean {
  return states.length > 0 && states.every((state) => state === "pending");
}

const COMMANDS: readonly string[] = [
  "node ls",
  "network ls",
  "network create -d overlay x",
  "swarm init --advertise-addr 10.99.0.1",
  "swarm init",
  "2: swarm join --token SWMTKN-1-nonsense 10.99.0.1:2377",
  "2: swarm join --token TOKEN 10.99.0.1:2377",
  "2: node ls",
  "2: network create -d overlay x",
  "swarm join-token worker",
  "swarm join-token -q --rotate manager",
  "swarm update --task-history-limit 3 --cert-expiry 48h",
  "swarm update --autolock",
  "swarm unlock-key",
  "swarm ca",
  "node ls",
  "node inspect self",
  "node inspect --pretty host2",
  "node update --label-add zone=a host2",
  "node update --availability drain host2",
  "node ls --filter node.label=zone=a",
  "node promote host2",
  "node rm host2",
  "node rm -f host1",
  "node update --availability active host2",
  "network create --driver overlay voteFrontEnd",
  "network create --driver overlay voteFrontEnd",
  "network create -d overlay --internal --attachable --subnet 10.7.0.0/24 --gateway 10.7.0.9 --label l=1 full",
  "network create -d overlay --subnet 10.7.0.0/16 overlapping",
  "network create plain",
  "network ls",
  "network ls --filter label=l=1 -q --no-trunc",
  "network inspect full",
  "service create -d --name vote -p 80:80 --replicas 3 --network voteFrontEnd bretfisher/examplevotingapp_vote",
  "service create -d --name taken -p 80:8080 nginx",
  "service create -d --name vote nginx",
  "service create -d --name lost --network nowhere nginx",
  "service create -d --name no.dots nginx",
  "service create -d --name bad --mount type=volume,source=data,target=relative nginx",
  "service create -d --name tiny --limit-memory 1m nginx",
  "service create -d --name sick --health-cmd true nginx",
  "service create -d --name everywhere --mode global nginx",
  "service create -d --name huge --reserve-memory 1t nginx",
  "service create --name quick --update-monitor 1ms -q --network name=full,alias=speedy --env A=1 redis:3.2",
  "service ls",
  "service ls --filter name=vo -q",
  "service ls --filter what=ever",
  "service ps vote",
  "service ps --no-trunc huge",
  "service inspect vote",
  "service inspect --pretty quick",
  "service scale -d vote=2",
  "service ps vote --filter desired-state=running",
  "service update -q --env-add B=2 --env-rm A quick",
  "service ps quick",
  "service update -d --image redis:7 quick",
  "service rollback -d quick",
  "service inspect quick --format {{.Spec.TaskTemplate.ContainerSpec.Env}}",
  "service update -d --force quick",
  "service update -d --publish-add 8080:80 --publish-rm 80 vote",
  "service update -d --replicas 1 nowhere",
  "service logs vote",
  "service logs --raw --timestamps quick",
  "node ps host2 --filter desired-state=running --format {{.Name}}",
  "network rm voteFrontEnd",
  "network rm ingress_of_nobody",
  "network rm docker_gwbridge",
  "inspect --format {{.Spec.Name}} vote",
  "inspect nothing_of_the_kind",
  "secret ls",
  "service rm vote huge quick vote",
  "service ls",
  "stack deploy -c STACK shop",
  "stack deploy -c STACK shop",
  "stack ls",
  "stack services shop",
  "stack ps shop",
  "service inspect shop_web --format {{.Spec.TaskTemplate.Networks}}{{.Spec.Labels}}",
  "stack rm shop",
  "network ls --filter driver=overlay --format {{.Name}}",
  "network rm full",
  "2: swarm leave",
  "swarm leave",
  "swarm leave --force",
  "node ls",
];

test.skipIf(!existsSync(golden))(`docker CLI ${major} and a swarm`, async () => {
  const said: string[] = [];
  for (const command of COMMANDS) {
    said.push(await say(command));
    await settle();
  }
  await expect(said.join("\n")).toMatchFileSnapshot(golden);
});
