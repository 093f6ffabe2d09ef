import { Fault } from "../lib/index.ts";

type Options = Readonly<Record<string, string>>;

/** What Docker's local driver takes (moby volume/local/local_unix.go), and which others each wants. */
const WANTS: Readonly<Record<string, readonly string[]>> = {
  type: ["device"],
  o: ["device", "type"],
  device: ["type"],
  size: [],
};

/** What is mounted in a volume's place, in mount(2)'s words; `options` is one text with commas. */
export interface VolumeDevice {
  readonly type: string;
  readonly device: string;
  readonly options: string;
}

/** Half a sentence in Docker's words about options that no volume can have; undefined when they are fine. */
export function optionsProblem(options: Options): string | undefined {
  for (const option of Object.keys(options))
    if (!Object.hasOwn(WANTS, option)) return `invalid option: "${option}"`;
  if (options["type"] === "cifs" && hasPort(options["device"] ?? ""))
    return "port not allowed in CIFS device URL, include 'port' in 'o='";
  if (/[1-9]/.test(options["size"] ?? "")) return "quota size requested but no quota support";
  const missing = Object.keys(options)
    .flatMap((option) => WANTS[option] ?? [])
    .find((wanted) => !Object.hasOwn(options, wanted));
  return missing === undefined ? undefined : `missing required option: "${missing}"`;
}

/** Undefined for a volume that is a plain folder. */
export function deviceOf({ type = "", o = "", device = "" }: Options): VolumeDevice | undefined {
  return type === "" && device === "" ? undefined : { type, device, options: o };
}

/** Filesystems whose server the kernel wants by number. */
const NETWORKED: ReadonlySet<string> = new Set(["nfs", "cifs"]);

/** With the server's address instead of its name. Fault "unavailable" in Docker's words when nobody knows the name. */
export async function resolveServer(
  wanted: VolumeDevice,
  lookup: (name: string) => Promise<string>,
): Promise<VolumeDevice> {
  if (!NETWORKED.has(wanted.type)) return wanted;
  const find = (name: string) =>
    lookup(name).catch((cause: Error) => {
      const what = "error resolving passed in network volume address";
      throw new Fault("unavailable", `${what}: lookup ${name}: ${cause.message}`, { cause });
    });
  const name = /(?:^|,)addr=([^,]*)/.exec(wanted.options)?.[1] ?? "";
  if (name !== "" && !isIpv4(name)) {
    const options = wanted.options.replace(`addr=${name}`, `addr=${await find(name)}`);
    return { ...wanted, options };
  }
  const host = /^\/\/([^/:]+)(?=\/)/.exec(wanted.device)?.[1];
  if (wanted.type !== "cifs" || name !== "" || host === undefined || isIpv4(host)) return wanted;
  return { ...wanted, device: wanted.device.replace(host, await find(host)) };
}

/** For errors and logs: without a password. */
export function withoutPassword(options: string): string {
  return options.replace(/((?:^|,)pass(?:word)?2?=)[^,]*/g, "$1********");
}

function hasPort(device: string): boolean {
  return /^(?:\w+:)?\/\/[^/]*:\d+(?:\/|$)/.test(device);
}

function isIpv4(text: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text);
}
