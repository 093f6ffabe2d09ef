import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { Conversation } from "../support/conversation.ts";

/*
 * Conversations of the stock docker CLI with the API of swarm objects (real server, control and deciders; machines are
 * played). testdata/docker-swarm-<major>.txt holds what a CLI said; to record another one make the file, empty, and:
 * npx vitest run --project runtime test/runtime/docker-swarm -u
 */

const version = (await exec(["docker", "--version"])).stdout;
const major = /version (\d+)\./.exec(version)?.[1];
const golden = join(import.meta.dirname, "testdata", `docker-swarm-${major}.txt`);

const stack = join(import.meta.dirname, "testdata/stack.yml");

let talk: Conversation;

beforeAll(async () => {
  talk = await Conversation.start(2, { STACK: stack });
});
afterAll(() => talk.close());

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
  "service create -d --name account --credential-spec file://spec.json nginx",
  "service create -d --name logged --log-driver syslog nginx",
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
  await expect(await talk.tell(COMMANDS)).toMatchFileSnapshot(golden);
});
