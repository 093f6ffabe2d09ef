/** The app's settings: each has the value that the original app has built in. */

export function text(name: string, otherwise: string): string {
  return process.env[name] || otherwise;
}

/** Stops the program with a sentence if the variable is no port. */
export function port(name: string, otherwise: number): number {
  const value = process.env[name] || String(otherwise);
  const number = Number(value);
  if (Number.isInteger(number) && number > 0 && number < 65536) return number;
  throw new Error(`${name} must be a port, not ${value}`);
}
