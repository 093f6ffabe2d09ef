import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** A small HTTP server: routes by "METHOD /path", one log line a request, a clean end on SIGTERM. */

export interface Request {
  readonly cookies: Readonly<Record<string, string>>;
  /** The fields of a posted form. */
  readonly form: URLSearchParams;
}

export interface Answer {
  readonly status: number;
  readonly type: "text/html" | "application/json" | "text/plain";
  readonly body: string;
  readonly cookie?: string;
}

export type Routes = Readonly<Record<string, (request: Request) => Promise<Answer> | Answer>>;

const MAX_FORM_BYTES = 4096;

export function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

export function page(status: number, body: string): Answer {
  return { status, type: "text/html", body };
}

/** `a=1; b=2` → `{ a: "1", b: "2" }` */
export function readCookies(header: string | undefined): Record<string, string> {
  const pairs = (header ?? "").matchAll(/(?:^|;)\s*([^=;\s]+)=([^;]*)/g);
  return Object.fromEntries([...pairs].map(([, name = "", value = ""]) => [name, value.trim()]));
}

/** The other end's address; IPv4 as IPv4, also where the socket is one for both. */
export function clientOf(address: string | undefined): string {
  return (address ?? "-").replace(/^::ffff:/, "");
}

/** One line about a request, in the common log format: it begins with the client's address. */
export function logLine(client: string, at: Date, requestLine: string, status: number): string {
  return `${client} - - [${at.toISOString()}] "${requestLine}" ${status}`;
}

/** Serves until SIGTERM or SIGINT; requests under way are answered first. */
export function serve(port: number, routes: Routes): void {
  const server = createServer((request, response) => {
    const client = clientOf(request.socket.remoteAddress);
    response.on("close", () => {
      const line = `${request.method} ${request.url} HTTP/${request.httpVersion}`;
      console.log(logLine(client, new Date(), line, response.statusCode));
    });
    void respond(routes, request, response);
  });
  server.listen(port, () => console.error(`listening on port ${port}`));
  onStop(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 5000).unref();
  });
}

/** Runs something once when the container is to stop. */
export function onStop(action: () => void): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (!stopping) action();
      stopping = true;
    });
  }
}

async function respond(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await handle(routes, request).catch((error: unknown): Answer => {
    console.error(`${request.method} ${request.url}: ${String(error)}`);
    return { status: 500, type: "text/plain", body: "something went wrong\n" };
  });
  send(response, answer, request.method === "HEAD");
}

async function handle(routes: Routes, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? "/").split("?")[0];
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = routes[`${method} ${path}`];
  if (route === undefined) return { status: 404, type: "text/plain", body: "there is no such page\n" };
  const form = await readForm(request);
  if (form === undefined) return { status: 413, type: "text/plain", body: "the form is too long\n" };
  return route({ cookies: readCookies(request.headers.cookie), form });
}

/** Undefined if it is too long. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += String(chunk);
    if (text.length > MAX_FORM_BYTES) return undefined;
  }
  return new URLSearchParams(text);
}

function send(response: ServerResponse, answer: Answer, headOnly: boolean): void {
  const length = Buffer.byteLength(answer.body);
  response.writeHead(answer.status, {
    "content-type": `${answer.type}; charset=utf-8`,
    "content-length": length,
    "cache-control": "no-store",
    ...(answer.cookie !== undefined && { "set-cookie": answer.cookie }),
    ...(answer.status === 413 && { connection: "close" }),
  });
  response.end(headOnly ? undefined : answer.body);
}
