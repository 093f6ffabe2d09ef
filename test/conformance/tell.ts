import { type Hunk, hunksOf } from "./compare.ts";
import { type Difference, explain } from "./differences.ts";
import { normalise } from "./normalise.ts";
import type { Sequence, Step } from "./sequence.ts";
import type { Side } from "./side.ts";
import { waitUntil } from "./wait.ts";

/** One difference of one command: what it is and whether the table knows it. */
export interface Finding {
  readonly step: string;
  readonly hunk: Hunk;
  readonly rows: readonly Difference[] | undefined;
}

export interface Verdict {
  readonly sequence: Sequence;
  readonly findings: readonly Finding[];
}

/** Tells a sequence to both swarms at the same time, each at its own pace, and compares what the CLI said. */
export async function judge(
  sequence: Sequence,
  docker: Side,
  shoal: Side,
  rows: readonly Difference[],
): Promise<Verdict> {
  const [theirs, ours] = await Promise.all([told(docker, sequence), told(shoal, sequence)]);
  const findings = sequence.steps.flatMap(({ node, text }, i) =>
    hunksOf(theirs[i] ?? "", ours[i] ?? "").map((hunk) => ({
      step: `${node}: ${text}`,
      hunk,
      rows: explain(hunk, sequence.name, rows),
    })),
  );
  return { sequence, findings };
}

/** What a side said to each step. A condition that is missed ends the sequence: what follows would mean nothing. */
async function told(side: Side, { steps }: Sequence): Promise<string[]> {
  const said: string[] = [];
  for (const step of steps) {
    const answer = await answerTo(side, step);
    said.push(normalise(answer, side.names));
    if (step.verb === "wait" && answer !== "") break;
  }
  await side.tidy();
  return said;
}

async function answerTo(side: Side, step: Step): Promise<string> {
  if (step.verb === "wait") return waitUntil(side, step.text.replace(/^wait until /, ""));
  const { code, stdout, stderr } = await side.say(step.node, step.words, step.input);
  const errors = stderr.replace(/^(?=.)/gm, "! ");
  return `${stdout}${errors}`.trimEnd().concat(code === 0 ? "" : `\n(exit ${code})`);
}
