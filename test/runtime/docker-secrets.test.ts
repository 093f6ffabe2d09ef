import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { Conversation } from "../support/conversation.ts";

/*
 * Conversations of the stock docker CLI about secrets and configs (real server, control and deciders; machines are played).
 * testdata/docker-secrets-<major>.txt holds what a CLI said; to record another one make the file, empty, and:
 * npx vitest run --project runtime test/runtime/docker-secrets -u
 */

const version = (await exec(["docker", "--version"])).stdout;
const major = /version (\d+)\./.exec(version)?.[1];
const folder = join(import.meta.dirname, "testdata");
const golden = join(folder, `docker-secrets-${major}.txt`);

let talk: Conversation;

beforeAll(async () => {
  talk = await Conversation.start(1, {
    STACK: join(folder, "secrets-stack.yml"),
    PASSWORD: join(folder, "password.txt"),
    SITE: join(folder, "site.conf"),
  });
});
afterAll(() => talk.close());

const COMMANDS: readonly string[] = [
  "secret ls",
  "config create site SITE",
  "swarm init --advertise-addr 10.99.0.1",
  "secret create --label a=1 token PASSWORD",
  "secret create token PASSWORD",
  "secret create bad/name PASSWORD",
  "secret create --template-driver jinja templated PASSWORD",
  "secret create --template-driver golang templated PASSWORD",
  "secret inspect templated --format '{{json .Spec.Templating}}'",
  "secret rm templated",
  "secret create --driver vault stored",
  "config create --label a=1 site SITE",
  "config create site SITE",
  "secret ls",
  "secret ls --filter label=a=1 --format {{.Name}}{{.Labels}}",
  "config ls --filter name=si -q",
  "config ls --filter what=ever",
  "secret inspect token",
  "secret inspect --pretty token",
  "config inspect site",
  "config inspect --pretty site",
  "secret inspect nowhere",
  "service create -d --name keeper --secret token --config source=site,target=/etc/site.conf,mode=0400 nginx",
  "service create -d --name lost --secret nowhere nginx",
  "service create -d --name twice --secret source=token,target=t --secret source=token,target=t nginx",
  "service inspect keeper --format '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}'",
  "service inspect --pretty keeper",
  "secret rm token",
  "config rm site",
  "service update -q --secret-rm token --secret-add source=token,target=renamed,uid=7 --config-rm site keeper",
  "service inspect keeper --format '{{json .Spec.TaskTemplate.ContainerSpec}}'",
  "service ps keeper --format '{{.Name}} {{.DesiredState}}'",
  "config rm site",
  "service rm keeper",
  "secret rm token nowhere",
  "stack deploy -c STACK vault",
  "stack deploy -c STACK vault",
  "secret ls --format {{.Name}}",
  "inspect --format {{.Spec.Name}} vault_site",
  "stack rm vault",
  "secret ls",
  "config ls",
];

test.skipIf(!existsSync(golden))(`docker CLI ${major} and secrets`, async () => {
  await expect(await talk.tell(COMMANDS)).toMatchFileSnapshot(golden);
});
