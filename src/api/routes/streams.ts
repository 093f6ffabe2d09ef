import { type Clock, Fault, messageOf } from "../../lib/index.ts";
import type { StreamIo, TerminalSize } from "../../model/index.ts";
import { programStartFromWire, programToWire, programWordsFromWire } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import {
  type ApiRequest,
  type ApiResponse,
  empty,
  flag,
  type Hijacked,
  hijack,
  json,
  param,
  type Route,
} from "../route.ts";
import { frame, MULTIPLEXED, RAW } from "../stdcopy.ts";
import { compareVersions } from "../versions.ts";

/** What a client wants to see, and whether it types. */
interface Wanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Content types came with 1.42. */
function contentType(tty: boolean, version: string): string {
  return !tty && compareVersions(version, "1.42") >= 0 ? MULTIPLEXED : RAW;
}

/** How long one who attached may take nothing: a container waits for him so long, and not for ever. */
const PATIENCE_MS = 60_000;

/** The connection, told of by `stuck` when its client takes nothing any more. */
function impatient(connection: Hijacked, clock: Clock, stuck: () => void): Hijacked {
  return {
    input: connection.input,
    write(chunk) {
      const room = connection.write(chunk);
      if (room === undefined) return undefined;
      const timer = clock.after(PATIENCE_MS, stuck);
      return room.finally(() => timer.cancel());
    },
  };
}

/** The streams as the client has them: a terminal's as they are, else in frames. */
function ioOf(connection: Hijacked, tty: boolean, wanted: Wanted): StreamIo {
  return {
    ...(wanted.stdin && { input: connection.input }),
    write: (stream, chunk) =>
      wanted[stream] ? connection.write(tty ? chunk : frame(stream, chunk)) : undefined,
  };
}

/** POST /containers/{id}/attach: process 1's streams, from now until it ends. */
async function attach(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const { query, version, signal } = request;
  const container = await containers.get(param(request, "id"));
  const { tty, logDriver } = container.config;
  if (container.paused === true) {
    throw new Fault("conflict", `container ${container.id} is paused, unpause the container before attach.`);
  }
  if (logDriver === "none" && !tty) {
    const why = "with --log-driver none its output goes nowhere";
    throw new Fault("unsupported", `cannot attach to container ${container.id}: ${why}`);
  }
  const isLive = flag(query, "stream");
  const wanted = {
    stdin: isLive && flag(query, "stdin"),
    stdout: flag(query, "stdout"),
    stderr: flag(query, "stderr"),
  };
  return hijack(contentType(tty, version), async (connection) => {
    const stuck = new AbortController();
    const why = new Fault("timeout", `who attached to container ${container.id} does not read`);
    const io = ioOf(
      impatient(connection, request.clock, () => stuck.abort(why)),
      tty,
      wanted,
    );
    if (flag(query, "logs")) {
      const past = { follow: false, stdout: wanted.stdout, stderr: wanted.stderr };
      for await (const { stream, line } of containers.logs(container.id, past, signal))
        await io.write(stream, line);
    }
    const endsInput = container.run?.spec.stdinOnce ?? false;
    const either = AbortSignal.any([signal, stuck.signal]);
    if (isLive) await containers.attach(container.id, { ...io, endsInput }, either);
  });
}

async function createProgram(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const words = programWordsFromWire(await request.json());
  return json(201, { Id: await containers.programs.create(param(request, "id"), words) });
}

/** POST /exec/{id}/start. Why it cannot run is said in its stream, as Docker says it, and its exit code is 126 or 127. */
async function startProgram(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  const { programs } = containers;
  const id = param(request, "id");
  const { detach, size } = programStartFromWire(await request.json());
  const { words, status } = programs.require(id);
  if (status !== "created") {
    const what = status === "running" ? "is already running" : "has already run";
    throw new Fault("conflict", `exec ${id} ${what}`);
  }
  if (detach) {
    await programs.start(id, { write: () => undefined }, { size });
    return empty(200);
  }
  return hijack(contentType(words.tty, request.version), async (connection) => {
    const io = ioOf(connection, words.tty, words.attach);
    const { signal } = request;
    let stream: "stdout" | "stderr" = "stdout";
    try {
      const { ended } = await programs.start(id, io, { size, signal });
      // What it wrote is its own: why its end is not known goes beside it.
      stream = "stderr";
      await Promise.race([ended, left(signal)]);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      await io.write(stream, Buffer.from(`${messageOf(error)}\r\n`));
    }
  });
}

/** Who leaves a program lets it run on. */
function left(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function inspectProgram(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  return json(200, programToWire(containers.programs.require(param(request, "id"))));
}

async function resizeProgram(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.programs.resize(param(request, "id"), sizeOf(request));
  return empty(200);
}

async function resize(request: ApiRequest, { containers }: Backends): Promise<ApiResponse> {
  await containers.resize(param(request, "id"), sizeOf(request));
  return empty(200);
}

const MOST = 65_535;

function sizeOf({ query }: ApiRequest): TerminalSize {
  const [rows = 0, columns = 0] = ["h", "w"].map((name) => {
    const text = query.get(name) ?? "";
    const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= MOST) return value;
    throw new Fault("invalid", `strconv.ParseUint: parsing "${text}": invalid syntax`);
  });
  return { rows, columns };
}

/** What people see and type. */
export const streamRoutes: readonly Route[] = [
  { method: "POST", path: "/containers/:id/attach", handle: attach },
  { method: "POST", path: "/containers/:id/resize", handle: resize },
  { method: "POST", path: "/containers/:id/exec", handle: createProgram },
  { method: "POST", path: "/exec/:id/start", handle: startProgram },
  { method: "POST", path: "/exec/:id/resize", handle: resizeProgram },
  { method: "GET", path: "/exec/:id/json", handle: inspectProgram },
];
