import { Fault } from "../lib/index.ts";
import type { Mount } from "../model/index.ts";

const PROPAGATIONS: ReadonlySet<string> = new Set([
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
]);
/** Labels of SELinux, which nodes give nothing, and words that mean something on other systems only. */
const MEANINGLESS: ReadonlySet<string> = new Set(["z", "Z", "consistent", "cached", "delegated"]);

/** `-v SOURCE:TARGET[:MODE]` or `-v TARGET`; Faults "invalid" in Docker's words (moby volume/mounts/linux_parser.go). */
export function bindFromWire(text: string): Mount {
  const parts = text.split(":");
  const [source = "", target = "", mode = ""] = parts.length === 1 ? ["", ...parts] : parts;
  const wrong = (reason: string) => new Fault("invalid", `invalid volume specification: '${text}'${reason}`);
  if (parts.length > 3 || target === "" || (parts.length > 1 && source === "")) throw wrong("");
  const type = source.startsWith("/") ? "bind" : "volume";
  if (!target.startsWith("/"))
    throw wrong(
      `: invalid mount config for type "${type}": invalid mount path: '${target}' mount path must be absolute`,
    );
  const words = mode === "" ? [] : mode.split(",");
  const readOnly = words.includes("ro");
  const propagation = words.find((word) => PROPAGATIONS.has(word));
  const unknown = words.find((word) => !isMode(word));
  if (unknown !== undefined || (readOnly && words.includes("rw")))
    throw new Fault("invalid", `invalid mode: ${mode}`);
  if (type === "bind") {
    return { type, source, target, readOnly, ...(propagation !== undefined && { propagation }) };
  }
  if (propagation !== undefined) throw new Fault("invalid", `invalid mode: ${mode}`);
  return volume(source, target, { readOnly, noCopy: words.includes("nocopy") });
}

function isMode(word: string): boolean {
  return ["ro", "rw", "nocopy"].includes(word) || PROPAGATIONS.has(word) || MEANINGLESS.has(word);
}

/** A volume by its name, or without one an anonymous one. */
export function volume(
  source: string,
  target: string,
  { readOnly = false, noCopy = false }: { readonly readOnly?: boolean; readonly noCopy?: boolean } = {},
): Mount {
  return { type: "volume", source, target, readOnly, noCopy, labels: {}, driver: "", driverOptions: {} };
}

/** One entry of `--tmpfs TARGET[:OPTIONS]`. Faults: "invalid", "unsupported" for options that are not served. */
export function tmpfsFromWire(target: string, options: string): Mount {
  let mount: Extract<Mount, { type: "tmpfs" }> = { type: "tmpfs", source: "", target, readOnly: false };
  for (const word of options.split(",").filter(Boolean)) {
    const [key = "", value = ""] = word.split("=", 2);
    const sizeBytes = key === "size" ? bytesOf(value) : undefined;
    if (sizeBytes !== undefined) mount = { ...mount, sizeBytes };
    else if (key === "mode" && /^[0-7]{3,4}$/.test(value))
      mount = { ...mount, mode: Number.parseInt(value, 8) };
    else if (key === "ro") mount = { ...mount, readOnly: true };
    else if (!DEFAULTS.has(word)) {
      throw new Fault(
        "unsupported",
        `cannot use --tmpfs option ${word}: size, mode and ro are the ones that are served`,
      );
    }
  }
  return mount;
}

/** What every tmpfs of a container has anyway. */
const DEFAULTS: ReadonlySet<string> = new Set(["rw", "noexec", "nosuid", "nodev"]);
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** tmpfs(5): "64m"; undefined for what is no size. */
function bytesOf(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
}
