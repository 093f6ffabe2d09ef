import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../../bench/engine.ts";
import { startDockerd } from "../../bench/rival.ts";
import { addressOf, hostPaths, type LabRecord, REGISTRY, REGISTRY_PORT } from "../../src/lab/index.ts";
import { type ExecResult, exec, execOk } from "../../src/sys/index.ts";
import { until } from "../support/until.ts";
import type { Names } from "./normalise.ts";

/** Generic resources of every node, on both sides. */
export const NODE_RESOURCES = "gpu=2";

/** Debian's, of the same age as its dockerd, whatever else is installed: both sides are asked the same way. */
const CLI = "/usr/bin/docker";

/** Where the files are that sequences name. */
const STACKS = join(import.meta.dirname, "stacks");

/** One of the two swarms: a manager and a worker, driven by the stock CLI. */
export class Side {
  readonly names: Names;
  readonly #sockets: readonly [string, string];
  readonly #manager: Engine;

  private constructor(lab: LabRecord, hosts: readonly [string, string], socketOf: (host: string) => string) {
    this.#sockets = [socketOf(hosts[0]), socketOf(hosts[1])];
    this.#manager = new Engine(this.#sockets[0]);
    this.names = {
      $REG: `${addressOf(lab, REGISTRY)}:${REGISTRY_PORT}`,
      $N1: `${lab.name}-${hosts[0]}`,
      $N2: `${lab.name}-${hosts[1]}`,
      $IP1: addressOf(lab, hosts[0]),
      $IP2: addressOf(lab, hosts[1]),
    };
  }

  /** Shoal on two hosts of a lab, joined. */
  static async shoal(lab: LabRecord, hosts: readonly [string, string]): Promise<Side> {
    const side = new Side(lab, hosts, (host) => hostPaths(lab.name, host).apiSocket);
    await side.#join();
    return side;
  }

  /** Docker's own Swarm on two hosts of a lab, joined. */
  static async docker(lab: LabRecord, hosts: readonly [string, string]): Promise<Side> {
    const flags = ["--node-generic-resource", NODE_RESOURCES];
    await Promise.all(hosts.map((host) => startDockerd(lab, host, flags)));
    const side = new Side(lab, hosts, (host) => `${hostPaths(lab.name, host).run}/dockerd.sock`);
    await side.#join();
    return side;
  }

  async #join(): Promise<void> {
    await this.#must(1, "swarm", "init", "--advertise-addr", this.names["$IP1"] ?? "");
    await this.#joinWorker();
    const images = ["library/busybox", "shoal/probe"].map((name) => `${this.names["$REG"]}/${name}`);
    for (const image of images)
      await Promise.all([1, 2].map((n) => this.#must(n as 1 | 2, "pull", "-q", image)));
    await this.tidy();
  }

  async #joinWorker(): Promise<void> {
    const { $IP1 = "", $IP2 = "" } = this.names;
    const token = await this.#must(1, "swarm", "join-token", "-q", "worker");
    await this.#must(2, "swarm", "join", "--advertise-addr", $IP2, "--token", token.trim(), `${$IP1}:2377`);
  }

  /**
   * What a command of the CLI did on a node; its words may hold names. It runs in the folder of stack files, which `input`
   * names one of, and finds the names in its environment, as `$REG` in such a file does.
   */
  say(node: 1 | 2, words: readonly string[], input?: string): Promise<ExecResult> {
    const own = words.map((word) => this.#spelled(word));
    const env = { ...this.#env(node), REG: this.names["$REG"] };
    return exec([CLI, ...own], {
      env,
      cwd: STACKS,
      ...(input !== undefined && { input: readFileSync(join(STACKS, input)) }),
    });
  }

  #must(node: 1 | 2, ...words: string[]): Promise<string> {
    return execOk([CLI, ...words], { env: this.#env(node) });
  }

  #env(node: 1 | 2): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: `unix://${this.#sockets[node - 1]}` };
  }

  #spelled(word: string): string {
    return Object.entries(this.names).reduce((said, [name, own]) => said.replaceAll(name, own), word);
  }

  /** Takes all away that a sequence made; the worker takes no tasks until a sequence wants it to. */
  async tidy(): Promise<void> {
    for (const { ID } of await this.#all("/services")) await this.#manager.delete(`/services/${ID}`);
    await until(async () => (await this.#all("/tasks")).every(hasEnded), 60_000);
    for (const network of await this.#all("/networks")) {
      const isLeft = network.Scope === "swarm" ? !network.Ingress : network.ConfigOnly === true;
      if (!isLeft) continue;
      await until(() => this.#gone(`/networks/${network.Id}`), 30_000);
    }
    for (const kind of ["secrets", "configs"]) {
      for (const { ID } of await this.#all(`/${kind}`))
        await until(() => this.#gone(`/${kind}/${ID}`), 30_000);
    }
    const state = await this.#must(2, "info", "--format", "{{.Swarm.LocalNodeState}}");
    if (state.trim() === "inactive") await this.#joinWorker();
    for (const node of await this.#all("/nodes")) await this.#plain(node);
  }

  async #plain(node: Listed): Promise<void> {
    const Role = node.Spec?.Role ?? "worker";
    const spec = { Role, Availability: Role === "manager" ? "active" : "drain", Labels: {} };
    if (JSON.stringify(node.Spec) === JSON.stringify(spec)) return;
    await this.#manager.post(`/nodes/${node.ID}/update?version=${node.Version?.Index}`, spec);
  }

  #all(path: string): Promise<Listed[]> {
    return this.#manager.get<Listed[]>(path);
  }

  #gone(path: string): Promise<boolean> {
    return this.#manager.delete(path).then(
      () => true,
      (error: unknown) => String(error).includes(" 404 "),
    );
  }
}

/** The little of Docker's objects that tidying needs. */
interface Listed {
  readonly ID?: string;
  readonly Id?: string;
  readonly Scope?: string;
  readonly Ingress?: boolean;
  /** A template for other networks, which Docker keeps on the node. */
  readonly ConfigOnly?: boolean;
  readonly Version?: { readonly Index: number };
  readonly Spec?: { readonly Role?: string };
  readonly Status?: { readonly State?: string };
}

/** Docker's Swarm keeps the ended tasks of a job that was removed for good. */
function hasEnded({ Status }: Listed): boolean {
  return ["complete", "failed", "rejected", "shutdown"].includes(Status?.State ?? "");
}
