import { readDifferences } from "./differences.ts";
import { Twins } from "./lab.ts";
import { printFindings, scoreOf, staleRows } from "./report.ts";
import { readSequences } from "./sequence.ts";
import { judge, type Verdict } from "./tell.ts";

/*
 * `npm run conformance [-- WORD…]`: the same commands to Docker's own Swarm and to Shoal, side by side on one lab; words choose
 * sequences by their names' beginnings. Exits 1 when something differs that differences.md does not explain, or when it
 * explains what no longer differs. See docs/conformance.md.
 */

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(chosen: readonly string[]): Promise<number> {
  const rows = readDifferences();
  const isChosen = (name: string) => chosen.length === 0 || chosen.some((word) => name.startsWith(word));
  const sequences = readSequences().filter(({ name }) => isChosen(name));
  await using twins = await Twins.up("conformance");
  const verdicts: Verdict[] = [];
  for (const sequence of sequences) {
    const verdict = await judge(sequence, twins.docker, twins.shoal, rows);
    verdicts.push(verdict);
    const text = printFindings(verdict);
    if (text !== "") say(`${text}\n`);
  }
  const stale = staleRows(verdicts, rows, chosen.length === 0);
  for (const row of stale) {
    say(
      `differences.md explains what no longer differs: ${row.sequence}: ${[...row.docker, ...row.shoal][0]}`,
    );
  }
  const { equal, known, unexplained, commands } = scoreOf(verdicts);
  say(`${verdicts.length} sequences, ${commands} commands:`);
  say(`${equal} equal, ${known} with known differences, ${unexplained} unexplained`);
  return unexplained + stale.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
