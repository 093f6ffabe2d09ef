import type { ManagerBackend, ServiceLogLine } from "./backends.ts";
import { logStream, parseLogQuery } from "./log-query.ts";
import { type ApiRequest, type ApiResponse, flag } from "./route.ts";
import { frame } from "./stdcopy.ts";

/**
 * The answer to `docker service logs`: lines of all nodes in one stream, each with where it came from when
 * `details` asks for it. Nodes that did not answer are named at the end, as the stream's error.
 */
export function serviceLogs(
  request: ApiRequest,
  manager: ManagerBackend,
  selector: { serviceId: string } | { taskId: string },
  tty: boolean,
): ApiResponse {
  const { query, version, signal } = request;
  const missing: string[] = [];
  const lines = manager.logs(selector, parseLogQuery(query), signal);
  const prefix = flag(query, "details") ? detailsOf : () => "";
  const form = { tty, timestamps: flag(query, "timestamps"), version };
  const answer = logStream(noting(lines, missing), form, prefix);
  return answer.kind === "stream" ? { ...answer, chunks: withWarning(answer.chunks, missing, tty) } : answer;
}

/** "com.docker.swarm.node.id=…,…service.id=…,…task.id=… ": the CLI puts a line's prefix together from these. */
function detailsOf({ nodeId, serviceId, taskId }: ServiceLogLine): string {
  const attributes = [
    ["com.docker.swarm.node.id", nodeId],
    ["com.docker.swarm.service.id", serviceId],
    ["com.docker.swarm.task.id", taskId],
  ];
  const pairs = attributes.map(([key = "", value = ""]) => `${key}=${encodeURIComponent(value)}`);
  return `${pairs.join(",")} `;
}

/** The lines; who did not answer goes to `missing`. */
async function* noting(
  lines: AsyncGenerator<ServiceLogLine, string[]>,
  missing: string[],
): AsyncGenerator<ServiceLogLine> {
  missing.push(...(yield* lines));
}

async function* withWarning(
  chunks: AsyncIterable<Uint8Array>,
  missing: readonly string[],
  tty: boolean,
): AsyncGenerator<Uint8Array> {
  yield* chunks;
  if (missing.length === 0) return;
  const reasons = missing.join(", ");
  const warning = `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${reasons}`;
  const payload = Buffer.from(`Error grabbing logs: rpc error: code = Unknown desc = ${warning}\n`);
  yield tty ? payload : frame("systemerr", payload);
}
