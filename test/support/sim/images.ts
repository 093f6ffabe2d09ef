import type { Chance } from "./chance.ts";

/** How a simulated image's process ends by itself. */
interface End {
  readonly afterMs: number;
  readonly exitCode: number;
}

interface Behaviour {
  /** What the image's tag begins with. */
  readonly tag: string;
  readonly about: string;
  /** The image's config, as FakeContainers plays it. */
  readonly config: Readonly<Record<string, unknown>>;
  end?(chance: Chance): End | undefined;
}

const SERVES = { Cmd: ["sh", "-c", 'trap "exit 0" TERM; serve'] };
/** Asked every 5 s; three times no, and it is unhealthy. */
const ASKED = {
  Healthcheck: { Test: ["CMD-SHELL", "test -e /well"], Interval: 5e9, Timeout: 5e9, Retries: 3 },
};

/** Images by the beginning of their tag; any other tag (web:1, web:2) serves until it is told to stop. */
const BEHAVIOURS: readonly Behaviour[] = [
  { tag: "crash", about: "fails after 2 s", config: SERVES, end: () => ({ afterMs: 2_000, exitCode: 1 }) },
  {
    tag: "flaky",
    about: "fails or completes by itself every few minutes",
    config: SERVES,
    end: (chance) => ({ afterMs: 1_000 + chance.wait(240_000), exitCode: chance.int(2) }),
  },
  {
    tag: "batch",
    about: "completes after half a minute",
    config: SERVES,
    end: (chance) => ({ afterMs: Math.round(chance.between(20_000, 40_000)), exitCode: 0 }),
  },
  {
    tag: "try",
    about: "a batch that fails every other time",
    config: SERVES,
    end: (chance) => ({ afterMs: 5_000, exitCode: chance.int(2) }),
  },
  { tag: "stubborn", about: "does not heed its stop signal", config: { Cmd: ["sh", "-c", "serve"] } },
  {
    tag: "well",
    about: "has a health check, and is healthy",
    config: { Cmd: ["sh", "-c", 'touch /well; trap "exit 0" TERM; serve'], ...ASKED },
  },
  { tag: "sick", about: "has a health check, and never becomes healthy", config: { ...SERVES, ...ASKED } },
];

const PLAIN: Behaviour = { tag: "", about: "serves until it is told to stop", config: SERVES };

/** True for an image that no registry has: its tag begins with "missing". */
export function isMissing(image: string): boolean {
  return tagOf(image).startsWith("missing");
}

export function behaviourOf(image: string): Behaviour {
  const tag = tagOf(image);
  return BEHAVIOURS.find((each) => tag.startsWith(each.tag)) ?? PLAIN;
}

/** True when a service of this image can come to rest with all its tasks running. */
export function servesForEver(image: string): boolean {
  return behaviourOf(image).end === undefined && behaviourOf(image).tag !== "sick" && !isMissing(image);
}

function tagOf(image: string): string {
  return image.split(":")[1] ?? "";
}
