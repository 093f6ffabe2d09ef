import { appendFileSync, readFileSync } from "node:fs";

/**
 * `tsx scripts/lane-report.ts REPORT FAILURES`: reads Vitest's JSON report of a lane, prints how many tests passed and failed, and adds
 * to FAILURES the name of each that failed and how its reason begins. A file that could not be run counts as one that failed.
 */

/** The part of Vitest's JSON report that is read here (its `JsonTestResults`). */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly Outcome[];
  }[];
}

interface Outcome {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages?: readonly string[] | null;
}

const REASON_LINES = 12;
const LINE_CHARACTERS = 400;

const failuresIn = ({ status, message, assertionResults }: Report["testResults"][number]): Outcome[] => {
  const failed = assertionResults.filter((test) => test.status === "failed");
  const isBroken = status === "failed" && failed.length === 0;
  return isBroken ? [{ fullName: "the file", status, failureMessages: [message] }] : failed;
};

/** Not a step inside of the test runner. */
const isOurs = (line: string) => !/node_modules|at new Promise/.test(line);

const [reportPath = "", failuresPath = ""] = process.argv.slice(2);
const { testResults }: Report = JSON.parse(readFileSync(reportPath, "utf8"));
let [passed, failed] = [0, 0];
for (const file of testResults) {
  passed += file.assertionResults.filter(({ status }) => status === "passed").length;
  for (const { fullName, failureMessages } of failuresIn(file)) {
    failed += 1;
    const reason = (failureMessages ?? []).join("\n").split("\n").filter(isOurs).slice(0, REASON_LINES);
    const lines = [
      `failed: ${file.name} ${fullName}`,
      ...reason.map((line) => `    ${line.slice(0, LINE_CHARACTERS)}`),
    ];
    appendFileSync(failuresPath, `${lines.join("\n")}\n`);
  }
}
process.stdout.write(`${passed} ${failed}\n`);
