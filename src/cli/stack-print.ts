import type { StackPlan, StackStep } from "../compose/index.ts";

const SIGNS = { create: "+", update: "~", remove: "-" } as const;

/** A plan for people: what would change, field by field, which tasks restart and in what order. */
export function printPlan(plan: StackPlan): string {
  const count = (verb: StackStep["verb"]) => plan.steps.filter((step) => step.verb === verb).length;
  const head = `stack ${plan.stack}: ${count("create")} to create, ${count("update")} to update, ${count("remove")} to remove, ${plan.unchanged.length} unchanged`;
  const lines = [
    head,
    "",
    ...plan.steps.flatMap(stepLines),
    ...plan.unchanged.map((name) => `  service ${name}: unchanged`),
    ...plan.orphans.map((name) => `  service ${name}: not in the files, kept (--prune removes it)`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function stepLines({ verb, kind, name, because, changes, restarts, pace, after }: StackStep): string[] {
  const why = because === undefined ? "" : `  (${because})`;
  const width = Math.max(0, ...changes.map(({ field }) => field.length));
  return [
    `${SIGNS[verb]} ${kind} ${name}${why}`,
    ...changes.map(({ field, from, to }) => `    ${field.padEnd(width)}  ${moved(from, to)}`),
    ...(restarts.length > 0 ? [`    restarts ${restarts.join(", ")} (${pace})`] : []),
    ...(verb === "update" && restarts.length === 0 ? ["    restarts no task"] : []),
    ...after.map(
      ({ on, condition }) => `    after ${on} is ${condition.replace("service_", "").replaceAll("_", " ")}`,
    ),
  ];
}

function moved(from: string | undefined, to: string | undefined): string {
  if (from === undefined) return `+ ${to}`;
  return to === undefined ? `- ${from}` : `${from} → ${to}`;
}

/** The same read the other way round: where the cluster is not as the files say. */
export function printDrift(plan: StackPlan): string {
  const lines = plan.steps.flatMap(({ verb, kind, name, changes }) => {
    if (verb === "create") return [`${kind} ${name}: in the files, not in the cluster`];
    if (verb === "remove") return [`${kind} ${name}: in the cluster, not in the files`];
    return [
      `${kind} ${name}:`,
      ...changes.map(
        ({ field, from, to }) => `    ${field}: the cluster has ${said(from)}, the files say ${said(to)}`,
      ),
    ];
  });
  if (lines.length === 0) return `stack ${plan.stack}: the cluster is as the files say\n`;
  return `${lines.join("\n")}\n`;
}

const said = (value: string | undefined): string => value ?? "nothing";
