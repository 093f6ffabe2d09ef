import { type Clock, withDeadline } from "../lib/index.ts";
import type { Containers } from "../runtime/index.ts";

/** Lines that are read; blank ones among them count. */
const TAIL = 5;
const MAX_LINE_BYTES = 2_000;
const DEADLINE_MS = 2_000;

/** The last lines of a container's log, oldest first; none when there is no log, or it cannot be read soon. */
export async function lastWords(
  containers: Pick<Containers, "logs">,
  clock: Clock,
  id: string,
): Promise<string[]> {
  const read = async (signal: AbortSignal): Promise<string[]> => {
    const lines: string[] = [];
    const options = { follow: false, stdout: true, stderr: true, tail: TAIL };
    for await (const { line } of containers.logs(id, options, signal)) {
      lines.push(new TextDecoder().decode(line.subarray(0, MAX_LINE_BYTES)));
    }
    return lines;
  };
  return withDeadline(clock, DEADLINE_MS, "its log cannot be read", read).catch(() => []);
}
