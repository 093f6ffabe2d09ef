/**
 * Go's path.Match: `*` and `?` stop at slashes, `[a-z]` and `[^a]` are sets, a backslash takes the next character as it
 * is. A malformed pattern fits nothing. Takes time in proportion to text times pattern, whatever the pattern.
 */
export function globFits(text: string, pattern: string): boolean {
  const steps = parseGlob(pattern);
  if (steps === undefined) return false;
  // places[i]: the steps so far fit the first i characters.
  let places: boolean[] = Array.from({ length: text.length + 1 }, (_, i) => i === 0);
  for (const step of steps) places = step.repeats ? spread(text, places, step) : advance(text, places, step);
  return places[text.length] === true;
}

interface Step {
  readonly fits: (character: string) => boolean;
  readonly repeats: boolean;
}

function advance(text: string, places: readonly boolean[], { fits }: Step): boolean[] {
  return [false, ...Array.from(text, (_, i) => places[i] === true && fits(text.charAt(i)))];
}

function spread(text: string, places: readonly boolean[], { fits }: Step): boolean[] {
  const out: boolean[] = [];
  for (let i = 0; i <= text.length; i++) {
    out.push(places[i] === true || (out[i - 1] === true && fits(text.charAt(i - 1))));
  }
  return out;
}

const TOKEN_REGEXP = /\\([\s\S])|\[(\^?)((?:\\[\s\S]|[^\]\\])+)\]|([\s\S])/g;
const notSlash = (character: string): boolean => character !== "/";

function parseGlob(pattern: string): Step[] | undefined {
  const steps: Step[] = [];
  for (const [, escaped, negation, set, plain] of pattern.matchAll(TOKEN_REGEXP)) {
    if (plain === "*") steps.push({ fits: notSlash, repeats: true });
    else if (plain === "?") steps.push({ fits: notSlash, repeats: false });
    else if (set !== undefined) {
      const has = parseSet(set);
      if (has === undefined) return undefined;
      steps.push({ fits: (c) => has(c) !== (negation === "^"), repeats: false });
    } else if (plain === "[" || plain === "\\") return undefined;
    else steps.push({ fits: (c) => c === (escaped ?? plain), repeats: false });
  }
  return steps;
}

/** The members of "[a-z0]"; undefined when it is malformed. */
function parseSet(set: string): ((character: string) => boolean) | undefined {
  const ranges: [low: string, high: string][] = [];
  const characters = Array.from(set.matchAll(/\\?([\s\S])/g), ([whole, character = ""]) => ({
    whole,
    character,
  }));
  for (let i = 0; i < characters.length; i++) {
    const low = characters[i]?.character ?? "";
    const isRange = characters[i + 1]?.whole === "-";
    const high = isRange ? characters[i + 2]?.character : low;
    if (high === undefined) return undefined;
    ranges.push([low, high]);
    if (isRange) i += 2;
  }
  return (c) => ranges.some(([low, high]) => c >= low && c <= high);
}
