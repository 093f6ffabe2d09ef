import { arch } from "node:os";
import { Fault } from "../lib/index.ts";

/** What an image runs on, in Go's words (GOOS, GOARCH, GOARM as variant). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Other names of an architecture, from containerd platforms/database.go. */
const ARCHITECTURES: Readonly<Record<string, Omit<Platform, "os">>> = {
  i386: { architecture: "386" },
  ia32: { architecture: "386" },
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  x64: { architecture: "amd64" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
};

/** The variant that an architecture has when it names none: leaving it out and saying it are the same. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm64: "v8", arm: "v7", amd64: "v1" };

/** The platform of this machine. */
export function hostPlatform(): Platform {
  return normalise({ os: "linux", architecture: arch() });
}

/** `linux/arm/v7`, `linux/amd64`, or a bare architecture. Fault "invalid" when it is none of these. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const [first = "", second, third] = parts;
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw new Fault("invalid", `"${text}" is an invalid platform: it must be os/architecture[/variant]`);
  }
  if (second === undefined) return normalise({ os: "linux", architecture: first });
  return normalise({ os: first, architecture: second, ...(third !== undefined && { variant: third }) });
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join("/");
}

/** One spelling for each platform; an architecture's default variant is left out, save arm's. */
export function normalise({ os, architecture, variant }: Platform): Platform {
  const known = ARCHITECTURES[architecture.toLowerCase()] ?? { architecture: architecture.toLowerCase() };
  const said = (variant || known.variant || "").toLowerCase().replace(/^(\d)/, "v$1");
  const full = said || DEFAULT_VARIANTS[known.architecture];
  const plain = known.architecture !== "arm" && full === DEFAULT_VARIANTS[known.architecture];
  return {
    os: os.toLowerCase(),
    architecture: known.architecture,
    ...(full && !plain && { variant: full }),
  };
}

/** What `wanted` can run, best first: older variants, and the 32-bit architecture of a 64-bit one (containerd platforms/compare.go). */
function acceptable(wanted: Platform): string[] {
  const { os, architecture, variant } = normalise(wanted);
  const older = (arch: string, from: number, to: number): string[] =>
    Array.from({ length: from - to + 1 }, (_, i) =>
      formatPlatform(normalise({ os, architecture: arch, variant: `v${from - i}` })),
    );
  const level = Number(variant?.replace(/^v/, "").split(".")[0] ?? DEFAULT_VARIANTS[architecture]?.slice(1));
  if (architecture === "arm") return older("arm", level, Math.min(5, level));
  if (architecture === "arm64") return [...older("arm64", level, 8), ...older("arm", 8, 5)];
  if (architecture === "amd64")
    return [...older("amd64", level, 1), formatPlatform({ os, architecture: "386" })];
  return [formatPlatform({ os, architecture, ...(variant !== undefined && { variant }) })];
}

/** True when an image for `offered` runs on `wanted`. */
export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  return acceptable(wanted).includes(formatPlatform(normalise(offered)));
}

/** The offer that suits `wanted` best, the first of equals; undefined when none does. */
export function choosePlatform<T>(
  wanted: Platform,
  offers: readonly T[],
  platformOf: (offer: T) => Platform | undefined,
): T | undefined {
  for (const accepted of acceptable(wanted)) {
    const found = offers.find((offer) => {
      const platform = platformOf(offer);
      return platform !== undefined && formatPlatform(normalise(platform)) === accepted;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}
