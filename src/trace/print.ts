import type { Trace, TracedPath, TracedVerdict } from "./explain.ts";
import type { Hop } from "./packet.ts";

/** A trace as lines: what all paths have in common once, then the rest of each, and how it ends. */
export function printTrace({ question, paths }: Trace): string {
  const common = commonHops(paths);
  const several = paths.length > 1;
  const lines = [
    question,
    ...hopLines(common),
    ...paths.flatMap((path, i) => {
      const rest = pathLines(path, common.length);
      return several ? [`  way ${i + 1} of ${paths.length}:`, ...rest.map((line) => `  ${line}`)] : rest;
    }),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function commonHops([first, ...others]: readonly TracedPath[]): readonly Hop[] {
  const hops = first?.hops ?? [];
  const same = (i: number) =>
    others.every(({ hops: theirs }) => theirs[i]?.at === hops[i]?.at && theirs[i]?.text === hops[i]?.text);
  const end = hops.findIndex((_, i) => !same(i));
  return end === -1 ? hops : hops.slice(0, end);
}

function pathLines({ hops, answer, verdict, doubts }: TracedPath, from: number): string[] {
  return [
    ...hopLines(hops.slice(from)),
    ...(answer.length === 0 ? [] : ["  the answer:", ...hopLines(answer).map((line) => `  ${line}`)]),
    ...verdictLines(verdict),
    ...doubts.map((rule) => `  not read, and may drop it: ${rule}`),
  ];
}

const hopLines = (hops: readonly Hop[]): string[] => hops.map(({ at, text }) => `  ${at}: ${text}`);

function verdictLines(verdict: TracedVerdict): string[] {
  switch (verdict.kind) {
    case "delivered":
      return [`  => delivered to ${verdict.to}`];
    case "out":
      return ["  => leaves this node for the outside"];
    case "dropped":
      return [`  => dropped at ${verdict.at}: ${verdict.because}`];
    case "crosses": {
      const { client, destination, by } = verdict.ask;
      return [
        `  => goes to node ${verdict.node} (${verdict.address}); ask there:`,
        `     shoal trace --by ${by} ${client} ${destination}`,
      ];
    }
  }
}
