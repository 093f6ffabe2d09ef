import type { Service, Task } from "../../src/model/index.ts";
import { exec } from "../../src/sys/index.ts";
import { serviceStatus } from "../../src/wire/index.ts";
import { wordsOf } from "../../src/wire/service-flags.fake.ts";
import { ApiCluster, type ApiDaemon } from "./api-cluster.ts";

/** The stock docker CLI and the daemons it talks to, as a reader would see it. */
export class Conversation {
  readonly cluster: ApiCluster = new ApiCluster();
  readonly #hosts: ApiDaemon[] = [];
  /** Words in commands that stand for others: "TOKEN" for the worker's join token. */
  readonly #words: Readonly<Record<string, string>>;

  private constructor(words: Readonly<Record<string, string>>) {
    this.#words = words;
  }

  static async start(hosts: number, words: Readonly<Record<string, string>> = {}): Promise<Conversation> {
    const talk = new Conversation(words);
    for (let i = 0; i < hosts; i++) talk.#hosts.push(await talk.cluster.daemon());
    return talk;
  }

  close(): Promise<void> {
    return this.cluster.close();
  }

  /** All of the commands ("2: docker node ls" is on host 2), each once the cluster is still. */
  async tell(commands: readonly string[]): Promise<string> {
    const said: string[] = [];
    for (const command of commands) {
      said.push(await this.#say(command));
      await this.#settle();
    }
    return said.join("\n");
  }

  async #say(command: string): Promise<string> {
    const [, host = "1", words = command] = /^(\d): (.*)$/.exec(command) ?? [];
    const daemon = this.#hosts[Number(host) - 1];
    if (daemon === undefined) throw new Error(`there is no host ${host}`);
    const named: Record<string, string> = { ...this.#words, TOKEN: await this.#workerToken() };
    const args = wordsOf(words).map((word) => named[word] ?? word);
    const { code, stdout, stderr } = await exec(["docker", "-H", `unix://${daemon.socket}`, ...args]);
    const errors = stderr.replace(/^(?=.)/gm, "! ");
    const prompt = host === "1" ? "$" : `host ${host} $`;
    return `${prompt} docker ${words}\n${redact(stdout)}${redact(errors)}${code === 0 ? "" : `(exit ${code})\n`}`;
  }

  async #workerToken(): Promise<string> {
    if (this.cluster.manager === undefined) return "";
    const swarm = await this.#hosts[0]?.ask("GET", "/swarm");
    return swarm?.json?.JoinTokens?.Worker ?? "";
  }

  /** Waits until every service has what it wants, so that the next command sees a still picture. */
  async #settle(): Promise<void> {
    if (this.cluster.store === undefined) return;
    await this.cluster.until(({ view }) =>
      [...view.all("service")].every((service) => isStill(service, [...view.tasksByService(service.id)])),
    );
  }
}

function isStill(service: Service, tasks: readonly Task[]): boolean {
  if (service.endpoint === undefined) return false;
  const state = service.updateStatus?.state;
  if (state === "updating" || state === "rollback_started") return false;
  const current = tasks.filter((task) => task.jobIteration === service.job?.iteration);
  const wanted = current.filter((task) => ["running", "complete"].includes(task.desiredState));
  const moving = current.filter(
    ({ desiredState, status }) => desiredState === "shutdown" && status.state === "running",
  );
  if (moving.length > 0) return false;
  // What waits for a node, waits.
  const isAt = (task: Task) => task.status.state === task.desiredState || task.status.state === "pending";
  return wanted.every(isAt) && (wanted.length > 0 || wantsNone(service, tasks));
}

function wantsNone(service: Service, tasks: readonly Task[]): boolean {
  const { desired } = serviceStatus(service, tasks);
  return desired === 0;
}

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
