import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { Conversation } from "../support/conversation.ts";

/*
 * Conversations of the stock docker CLI about services of every mode, and the nodes they are on.
 * testdata/docker-services-<major>.txt holds what a CLI said; to record another one make the file, empty, and:
 * npx vitest run --project runtime test/runtime/docker-services -u
 */

const version = (await exec(["docker", "--version"])).stdout;
const major = /version (\d+)\./.exec(version)?.[1];
const golden = join(import.meta.dirname, "testdata", `docker-services-${major}.txt`);

let talk: Conversation;

beforeAll(async () => {
  talk = await Conversation.start(3);
});
afterAll(() => talk.close());

const COMMANDS: readonly string[] = [
  "swarm init --advertise-addr 10.99.0.1",
  "2: swarm join --token TOKEN 10.99.0.1:2377",
  "3: swarm join --token TOKEN 10.99.0.1:2377",
  "node update --label-add zone=a host2",
  "node update --label-add zone=b --label-add disk=ssd host3",
  "node ls --filter role=worker",
  "node ls --filter membership=accepted --filter name=host3",
  "node ls --filter node.label=zone=b -q",
  "node ls --filter node.label=zone",
  "node ls --filter label=accelerated=yes",
  "node ls --filter role=boss",
  "node inspect host3 --format '{{json .Description.Resources}}{{.Spec.Labels}}'",
  "node promote host1",
  "node demote host1",
  "node demote host2",

  "service create -d --name everywhere --mode global --label tier=front nginx",
  "service create -d --name workers --mode global --constraint node.role==worker nginx",
  "service create -d --name none --mode global --constraint node.labels.zone==moon nginx",
  "service create -d --name apart --replicas 7 --replicas-max-per-node 2 nginx",
  "service create -d --name job --mode replicated-job --replicas 5 --max-concurrent 2 busybox true",
  "service create -d --name sweep --mode global-job --constraint node.labels.disk==ssd busybox true",
  "service create -d --name fast --generic-resource gpu=2 nginx",
  "service create -d --name faster --generic-resource gpu=1 nginx",
  "service create -d --name wrong --constraint node.role nginx",
  "service create -q --name waits --mode global --update-monitor 1ms nginx",
  "service create -q --name done --mode replicated-job --replicas 2 busybox true",

  "service ls",
  "service ls --filter mode=global -q --format {{.Name}}",
  "service ls --filter mode=replicated --format {{.Name}}",
  "service ls --filter mode=replicated-job --format {{.Name}}:{{.Mode}}:{{.Replicas}}",
  "service ls --filter mode=global-job --format {{.Name}}",
  "service ls --filter label=tier=front --filter name=every",
  "service ps everywhere",
  "service ps workers",
  "service ps none",
  "service ps apart --format {{.Name}}:{{.DesiredState}}:{{.Error}}",
  "service ps job --filter desired-state=complete --format {{.DesiredState}}",
  "service ps sweep",
  "service ps fast",
  "service ps faster --no-trunc --format {{.Name}}:{{.CurrentState}}:{{.Error}}",
  "service ps everywhere --filter node=host2 --format {{.Node}}",
  "service ps everywhere --filter desired-state=lost",
  "service inspect --pretty everywhere",
  "service inspect --pretty job",
  "service inspect job --format '{{json .JobStatus.JobIteration}}{{json .Spec.Mode}}'",
  "service inspect sweep --format '{{json .JobStatus.JobIteration}}{{json .Spec.Mode}}'",
  "service inspect everywhere --format '{{json .JobStatus}}{{json .PreviousSpec}}{{json .UpdateStatus}}'",

  "service scale -d everywhere=2",
  "service scale -d job=7",
  "service scale -d apart=2 waits=1",
  "service update -d --replicas 3 everywhere",
  "service update -d --update-parallelism 2 job",
  "service inspect job --format '{{json .JobStatus.JobIteration}}{{json .Spec.Mode}}'",
  "service update -d --force job",
  "service inspect job --format '{{json .JobStatus.JobIteration}}'",
  "service update -q --force waits",
  "service ps waits --format {{.Name}}:{{.Node}}:{{.DesiredState}}",
  "service update -d --env-add A=1 workers",
  "service inspect workers --format {{.PreviousSpec.TaskTemplate.ContainerSpec.Env}}{{.Spec.TaskTemplate.ContainerSpec.Env}}",
  "service rollback -d workers",
  "service inspect workers --format {{.PreviousSpec.TaskTemplate.ContainerSpec.Env}}{{.Spec.TaskTemplate.ContainerSpec.Env}}",
  "service inspect workers --format {{.UpdateStatus.State}}:{{.UpdateStatus.Message}}",
  "service rollback -d none",

  "node update --availability pause host2",
  "node ls --format {{.Hostname}}:{{.Availability}}",
  "node update --availability drain host3",
  "service ps workers --filter desired-state=running --format {{.Name}}:{{.Node}}",
  "service ls",
  "node update --label-rm zone --availability active host3",
  "node inspect --pretty host3",
];

test.skipIf(!existsSync(golden))(
  `docker CLI ${major} and services of every mode`,
  async () => {
    await expect(await talk.tell(COMMANDS)).toMatchFileSnapshot(golden);
  },
  60_000,
);
