import { resolve } from "node:path";
import { stackCommand } from "../../src/cli/index.ts";
import { exec, systemClock } from "../../src/sys/index.ts";
import { ApiCluster, type ApiDaemon } from "./api-cluster.ts";
import { STACKS } from "./stack-files.ts";

export interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A swarm in memory behind a real API, and the two that deploy stacks to it: Docker's own CLI and ours. */
export class StackCluster {
  readonly cluster: ApiCluster;
  readonly daemon: ApiDaemon;
  /** The environment of `shoal stack`. */
  readonly env: Record<string, string> = {};

  private constructor(cluster: ApiCluster, daemon: ApiDaemon) {
    this.cluster = cluster;
    this.daemon = daemon;
  }

  static async open(options: { decides?: boolean } = {}): Promise<StackCluster> {
    const cluster = new ApiCluster(options);
    const daemon = await cluster.daemon();
    await daemon.ask("POST", "/swarm/init", { ListenAddr: "0.0.0.0:2377", AdvertiseAddr: "10.99.0.1" });
    return new StackCluster(cluster, daemon);
  }

  close(): Promise<void> {
    return this.cluster.close();
  }

  get host(): string {
    return `unix://${this.daemon.socket}`;
  }

  /** The stock CLI's words, from the folder of the stacks. */
  async docker(...words: readonly string[]): Promise<Told> {
    const env = { ...process.env, DOCKER_HOST: this.host };
    const { code, stdout, stderr } = await exec(["docker", ...words], { env, cwd: STACKS });
    return { code: code ?? -1, out: stdout, err: stderr };
  }

  /** `shoal stack …`, in this process. */
  async shoal(...words: readonly string[]): Promise<Told> {
    const out: string[] = [];
    const err: string[] = [];
    const parts = {
      clock: systemClock,
      env: { ...this.env, DOCKER_HOST: this.host },
      out: (text: string) => void out.push(text),
      err: (text: string) => void err.push(text),
    };
    const absolute = words.map((word, i) => (words[i - 1] === "-f" ? resolve(STACKS, word) : word));
    const code = await stackCommand(absolute, parts);
    return { code, out: out.join(""), err: err.join("") };
  }

  // biome-ignore lint/suspicious/noExplicitAny: what the API says
  async get(path: string): Promise<any> {
    return (await this.daemon.ask("GET", path)).json;
  }
}
