import type { Problems } from "./problem.ts";
import type { WantedService } from "./stack.ts";

/**
 * Services in the order of their dependencies, those that wait for nothing first, else as in the file. A circle is told as an
 * error, and its services come last.
 */
export function inOrder(services: readonly WantedService[], problems?: Problems): WantedService[] {
  const done = new Set<string>();
  const ordered: WantedService[] = [];
  const here = new Set(services.map(({ key }) => key));
  for (let rest = [...services]; rest.length > 0; ) {
    const ready = rest.filter(({ dependsOn }) => dependsOn.every(({ on }) => done.has(on) || !here.has(on)));
    if (ready.length === 0) {
      tellCircle(rest, problems);
      return [...ordered, ...rest];
    }
    for (const one of ready) done.add(one.key);
    ordered.push(...ready);
    rest = rest.filter(({ key }) => !done.has(key));
  }
  return ordered;
}

/** Everyone left waits for someone left: going from one to whom it waits for must come round. */
function tellCircle(rest: readonly WantedService[], problems: Problems | undefined): void {
  const way: WantedService[] = [];
  let one = rest[0];
  while (one !== undefined && !way.includes(one)) {
    way.push(one);
    const waitsFor = one.dependsOn.map(({ on }) => on);
    one = rest.find(({ key }) => waitsFor.includes(key));
  }
  const circle = way.slice(way.indexOf(one ?? (way[0] as WantedService)));
  const [first] = circle;
  const names = [...circle.map(({ key }) => key), first?.key].join(" → ");
  const at = first?.dependsOn.find(({ on }) => circle.some(({ key }) => key === on))?.at;
  if (at !== undefined) problems?.error(at, `services wait for each other: ${names}`);
}
