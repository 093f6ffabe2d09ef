import { parseArgs } from "node:util";
import { EngineClient } from "../client/index.ts";
import { addressOf, dockerEnv, type LabRecord } from "../lab/index.ts";
import { Fault, messageOf } from "../lib/index.ts";
import { printTrace, type Trace, type TraceQuestion } from "../trace/index.ts";

export const TRACE_USAGE = `Usage: shoal trace [--host ADDRESS] [--by ADDRESS] CLIENT DESTINATION

How a connection goes through this node, hop by hop, from what its kernel holds now; and where it would be dropped.

CLIENT       a task ("web.1", its id) or container of this node, "host" for a program of it, or an address outside
DESTINATION  a published port (":8080", "192.0.2.1:8080/udp"), a service or task name ("db", "db:5432"), or an address
--by         the rest of a trace that another node began, as it says
--host       the API of the node's shoald; else $DOCKER_HOST, else unix:///run/shoal/docker.sock

Exit code 1 when a way ends in a drop.`;

const DROPPED = 1;

/** `shoal trace …`: asks the node's shoald and prints. The exit code. */
export async function traceCommand(args: readonly string[]): Promise<number> {
  const options = { host: { type: "string" as const }, by: { type: "string" as const } };
  const { values, positionals } = parsed(() =>
    parseArgs({ args: [...args], options, allowPositionals: true }),
  );
  const { by } = values;
  const question = questionOf(positionals, by);
  const trace = await askTrace(values.host ?? process.env["DOCKER_HOST"], question);
  process.stdout.write(printTrace(trace));
  return codeOf([trace]);
}

function parsed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Fault("invalid", messageOf(error));
  }
}

function questionOf(
  [client, destination, ...more]: readonly string[],
  by: string | undefined,
): TraceQuestion {
  if (client === undefined || destination === undefined || more.length > 0)
    throw new Fault("invalid", "say who connects to what: shoal trace CLIENT DESTINATION");
  return { client, destination, ...(by !== undefined && { by }) };
}

const codeOf = (traces: readonly Trace[]): number =>
  traces.some(({ paths }) => paths.some(({ verdict }) => verdict.kind === "dropped")) ? DROPPED : 0;

/** The same for a lab's host, and on over the other hosts, each asked for its own part. */
export async function labTrace(lab: LabRecord, host: string, words: readonly string[]): Promise<number> {
  const traces: Trace[] = [];
  let asked: { readonly host: string; readonly question: TraceQuestion }[] = [
    { host, question: questionOf(words, undefined) },
  ];
  while (asked.length > 0) {
    const next: typeof asked = [];
    for (const { host: on, question } of asked) {
      const trace = await askTrace(dockerEnv(lab, on).DOCKER_HOST, question);
      traces.push(trace);
      process.stdout.write(`== host ${on} ==\n${printTrace(trace)}`);
      for (const { verdict } of trace.paths) {
        const to = lab.hosts.find(
          (one) => verdict.kind === "crosses" && addressOf(lab, one) === verdict.address,
        );
        if (to !== undefined && verdict.kind === "crosses") next.push({ host: to, question: verdict.ask });
      }
    }
    asked = next;
  }
  return codeOf(traces);
}

/** What the shoald behind an API address says. Faults: of its answer's kind, "unavailable" when none answers. */
function askTrace(where: string | undefined, { client, destination, by }: TraceQuestion): Promise<Trace> {
  const query = { client, to: destination, ...(by !== undefined && { by }) };
  return new EngineClient(where).get<Trace>("/shoal/trace", query);
}
