const ALL = "ALL";

/**
 * The capabilities as the docker CLI sends them: in capitals, with their prefix, each once, sorted, and none dropped that is
 * added (docker/cli opts.EffectiveCapAddCapDrop).
 */
export function effectiveCapabilities(
  add: readonly string[],
  drop: readonly string[],
): { add: readonly string[]; drop: readonly string[] } {
  const adds = normal(add);
  const drops = normal(drop).filter((name) => !adds.includes(name));
  return { add: adds.includes(ALL) ? [ALL] : adds, drop: drops.includes(ALL) ? [ALL] : drops };
}

function normal(names: readonly string[]): string[] {
  const full = names.map((name) => {
    const upper = name.trim().toUpperCase();
    return upper === ALL || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  });
  return [...new Set(full)].sort();
}
