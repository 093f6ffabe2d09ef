import { request } from "node:http";

/** Docker's Engine API on a unix socket, as little as the benches need: they time engines, not the CLI. */
export class Engine {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.#call("GET", path)) as T;
  }

  /** The answer as it came: for those who only keep an engine busy. */
  text(path: string): Promise<string> {
    return this.#call("GET", path);
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const text = await this.#call("POST", path, JSON.stringify(body));
    return (text.trim() === "" ? undefined : JSON.parse(text)) as T;
  }

  async delete(path: string): Promise<void> {
    await this.#call("DELETE", path);
  }

  #call(method: string, path: string, body?: string): Promise<string> {
    const headers = { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const sent = request(
        { socketPath: this.#socketPath, method, path: `/v1.41${path}`, headers },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            if ((answer.statusCode ?? 500) < 400) resolve(text);
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }
}
