import { z } from "zod";
import { Fault } from "../lib/index.ts";
import type { ProgramInfo, ProgramWords, TerminalSize } from "../model/index.ts";
import { flag, goStruct, maybe, readJson, text, texts } from "./json.ts";

/** Rows first (moby api/types/container ExecOptions). */
const consoleSize = maybe(z.tuple([z.int().min(0), z.int().min(0)]));

const createSchema = goStruct({
  User: text,
  Privileged: flag,
  Tty: flag,
  ConsoleSize: consoleSize,
  AttachStdin: flag,
  AttachStderr: flag,
  AttachStdout: flag,
  Detach: flag,
  DetachKeys: text,
  Env: texts,
  WorkingDir: text,
  Cmd: texts,
  // The name of the container, which clients of old say twice.
  Container: text,
});

/** The body of POST /containers/{id}/exec. */
export function programWordsFromWire(body: unknown): ProgramWords {
  const wire = readJson(createSchema, body, "exec");
  const size = sizeOf(wire.ConsoleSize);
  const wrong = wire.Env.find((pair) => pair === "" || pair.startsWith("="));
  if (wrong !== undefined) throw new Fault("invalid", `invalid environment variable: ${wrong}`);
  return {
    args: wire.Cmd,
    env: wire.Env,
    tty: wire.Tty,
    attach: { stdin: wire.AttachStdin, stdout: wire.AttachStdout, stderr: wire.AttachStderr },
    ...(wire.Privileged && { isPrivileged: true }),
    ...(wire.User !== "" && { user: wire.User }),
    ...(wire.WorkingDir !== "" && { dir: wire.WorkingDir }),
    ...(size !== undefined && { size }),
  };
}

const startSchema = goStruct({ Detach: flag, Tty: flag, ConsoleSize: consoleSize });

/** The body of POST /exec/{id}/start. */
export function programStartFromWire(body: unknown): {
  readonly detach: boolean;
  readonly size?: TerminalSize;
} {
  const wire = readJson(startSchema, body, "exec");
  const size = sizeOf(wire.ConsoleSize);
  return { detach: wire.Detach, ...(size !== undefined && { size }) };
}

/** A terminal that is not there yet has no size. */
function sizeOf(pair: readonly [number, number] | undefined): TerminalSize | undefined {
  const [rows = 0, columns = 0] = pair ?? [];
  return rows > 0 && columns > 0 ? { rows, columns } : undefined;
}

/** GET /exec/{id}/json (moby api/types/container ExecInspect). */
export function programToWire({
  id,
  containerId,
  words,
  status,
  pid,
  exitCode,
}: ProgramInfo): Record<string, unknown> {
  const [entrypoint = "", ...args] = words.args;
  return {
    ID: id,
    Running: status === "running",
    ExitCode: exitCode ?? null,
    ProcessConfig: {
      ...{ tty: words.tty, entrypoint, arguments: args, privileged: words.isPrivileged ?? false },
      ...(words.user !== undefined && { user: words.user }),
    },
    OpenStdin: words.attach.stdin,
    OpenStderr: words.attach.stderr,
    OpenStdout: words.attach.stdout,
    CanRemove: status === "ended",
    ContainerID: containerId,
    DetachKeys: "",
    Pid: pid,
  };
}
