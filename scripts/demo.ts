import { spawn } from "node:child_process";
import { join } from "node:path";
import {
  addressOf,
  allLabs,
  dockerEnv,
  hostPaths,
  type LabRecord,
  labDown,
  labUp,
  newLab,
  onHost,
  readLab,
} from "../src/lab/index.ts";
import { messageOf, sleep } from "../src/lib/index.ts";
import { execOk, systemClock } from "../src/sys/index.ts";
import { preparedRegistry } from "./images.ts";
import { LOOKING, VOTING_APP } from "./voting-app.ts";

/** The voting app on three hosts, by the stock docker CLI. Every command is printed before it is run. */

const NAME = "demo";
const clock = systemClock;
const parts = { clock, shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")] };

const say = (text: string) => process.stdout.write(`${text}\n`);

/** Runs `docker …` on a host, its output shown; throws when it fails. */
async function docker(lab: LabRecord, host: string, words: string): Promise<void> {
  say(`\n[host ${host}]$ docker ${words}`);
  const code = await new Promise<number>((resolve, reject) => {
    const env = { ...process.env, ...dockerEnv(lab, host) };
    const child = spawn("docker", words.split(" "), { stdio: ["ignore", "inherit", "inherit"], env });
    child.on("error", reject);
    child.on("close", (c) => resolve(c ?? 1));
  });
  if (code !== 0)
    throw new Error(`docker ${words.split(" ").slice(0, 2).join(" ")} ended with exit code ${code}`);
}

async function swarm(lab: LabRecord): Promise<void> {
  await docker(lab, "1", `swarm init --advertise-addr ${addressOf(lab, "1")}`);
  const env = { ...process.env, ...dockerEnv(lab, "1") };
  const token = (await execOk(["docker", "swarm", "join-token", "-q", "worker"], { env })).trim();
  for (const host of lab.hosts.slice(1)) {
    await docker(lab, host, `swarm join --token ${token} ${addressOf(lab, "1")}:2377`);
  }
}

/** A request from the outside client, shown; its answer. */
async function fromClient(lab: LabRecord, ...curl: string[]): Promise<string> {
  say(`\n[client]$ curl ${curl.join(" ")}`);
  const answer = await execOk(onHost(lab, "client", ["curl", "-sS", "--max-time", "10", ...curl]));
  return answer;
}

/** Votes through one host, reads the result through another, and shows whose address `vote` saw. */
async function vote(lab: LabRecord): Promise<void> {
  const [entry, exit] = [addressOf(lab, "2"), addressOf(lab, "3")];
  await fromClient(lab, "-o", "/dev/null", "-d", "vote=a", `http://${entry}/`);
  let result = "";
  for (let i = 0; i < 50 && !result.includes('"a":1'); i++) {
    result = await fromClient(lab, `http://${exit}:5001/api/votes`).catch(messageOf);
    say(result.trim());
    if (!result.includes('"a":1')) await sleep(clock, 500);
  }
  if (!result.includes('"a":1')) throw new Error("the vote did not reach the result");
  await docker(lab, "1", "service logs vote");
  const logs = await execOk(["docker", "service", "logs", "--raw", "vote"], {
    env: { ...process.env, ...dockerEnv(lab, "1") },
  });
  const client = addressOf(lab, "client");
  const seen = logs.split("\n").filter((line) => line.startsWith(client));
  if (seen.length === 0) throw new Error(`vote did not log the client's address ${client}`);
  say(`\nvote saw the outside client as ${client}, its real address:\n  ${seen[0]}`);
}

function whereToLook(lab: LabRecord): void {
  say(`
The swarm is up. Try it:
  bin/shoal lab docker --name ${NAME} 1 service ls
  bin/shoal lab exec --name ${NAME} client -- curl http://${addressOf(lab, "3")}/
  bin/shoal lab exec --name ${NAME} client -- curl http://${addressOf(lab, "1")}:5001/api/votes
  export DOCKER_HOST=${dockerEnv(lab, "1").DOCKER_HOST}; docker service scale vote=6
Logs of shoald: ${hostPaths(NAME, "1").log}
Take it away:   npm run demo -- --down`);
}

async function main(): Promise<void> {
  const existing = allLabs().some((lab) => lab.name === NAME);
  if (existing) await labDown(readLab(NAME), clock);
  if (process.argv.includes("--down")) {
    say(existing ? "demo: taken away" : "demo: nothing was up");
    return;
  }
  say("demo: preparing images (built offline from Debian packages the first time)");
  const images = await preparedRegistry((line) => say(`  ${line}`));
  const lab = newLab({ name: NAME, hosts: 3, images, uplink: false, settings: {} });
  say("demo: starting three hosts and a client");
  await labUp(lab, parts);
  await swarm(lab);
  for (const words of [...VOTING_APP, ...LOOKING]) await docker(lab, "1", words);
  await vote(lab);
  whereToLook(lab);
}

main().catch((error: unknown) => {
  process.stderr.write(`demo: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
