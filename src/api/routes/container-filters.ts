import { Fault } from "../../lib/index.ts";
import {
  exposedPorts,
  type Filters,
  filterValues,
  labelsFit,
  partFits,
  someFits,
  stateOf,
} from "../../wire/index.ts";
import type { ContainerInfo, ImageInfo } from "../backends.ts";

type Images = ReadonlyMap<string, ImageInfo>;

interface Candidate {
  readonly container: ContainerInfo;
  readonly image: ImageInfo | undefined;
}

/** A filter of GET /containers/json: does the container fit this one value? */
type Fit = (candidate: Candidate, value: string) => boolean;

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
const HEALTHS = ["none", "starting", "healthy", "unhealthy"];
const TASK_LABEL = "com.docker.swarm.task.id";

/** Filters whose values are alternatives (moby daemon/list.go). */
const FITS: Readonly<Record<string, Fit>> = {
  id: ({ container }, value) => partFits(container.id, value),
  name: ({ container }, value) => partFits(container.name, value) || partFits(`/${container.name}`, value),
  status: ({ container }, value) => stateOf(container) === value,
  health: ({ container }, value) => (container.health?.status ?? "none") === value,
  exited: ({ container }, value) => container.status === "stopped" && container.exitCode === Number(value),
  ancestor: ({ container, image }, value) => isImage(container, image, value),
  network: ({ container }, value) =>
    container.networks.some((n) => n.networkId === value || n.name === value),
  volume: ({ container }, value) => container.mounts.some((m) => m.name === value || m.target === value),
  "is-task": ({ container }, value) => TASK_LABEL in container.labels === isTrue("is-task", value),
  expose: ({ image }, value) => exposedPorts(image).some((port) => port === value || port === `${value}/tcp`),
  // Containers publish nothing by themselves: services do.
  publish: () => false,
  isolation: (_, value) => value === "default",
};

/** Every filter that is accepted. */
export const CONTAINER_FILTERS: readonly string[] = [...Object.keys(FITS), "label", "before", "since"];

export interface ListOptions {
  /** Stopped ones too. */
  readonly all: boolean;
  /** At most so many, the newest; 0: no bound. */
  readonly limit: number;
  readonly filters: Filters;
}

/** The containers that `docker ps` asks for, newest first. Fault "invalid" on values that can never fit. */
export function listContainers(
  containers: readonly ContainerInfo[],
  images: Images,
  { all, limit, filters }: ListOptions,
): ContainerInfo[] {
  checkValues(filters);
  const sorted = containers.toSorted((a, b) => b.createdAt - a.createdAt);
  const isWanted = all || filterValues(filters, "status").length > 0;
  const chosen = between(sorted, filters).filter((container) => {
    if (!isWanted && container.status !== "running") return false;
    const candidate = { container, image: images.get(container.imageId) };
    return (
      labelsFit(filters, "label", container.labels) &&
      Object.entries(FITS).every(([key, fits]) => someFits(filters, key, (value) => fits(candidate, value)))
    );
  });
  return limit > 0 ? chosen.slice(0, limit) : chosen;
}

/** Those older than `before` and newer than `since`, both references to containers. */
function between(sorted: readonly ContainerInfo[], filters: Filters): readonly ContainerInfo[] {
  const placeOf = (key: string): number | undefined => {
    const [ref] = filterValues(filters, key);
    return ref === undefined ? undefined : placeIn(sorted, ref);
  };
  const before = placeOf("before");
  return sorted.slice(before === undefined ? 0 : before + 1, placeOf("since"));
}

function placeIn(containers: readonly ContainerInfo[], ref: string): number {
  const name = ref.replace(/^\//, "");
  const place = containers.findIndex(
    (c) => c.id === ref || c.name === name || (ref !== "" && c.id.startsWith(ref)),
  );
  if (place === -1) throw new Fault("not-found", `No such container: ${ref}`);
  return place;
}

function checkValues(filters: Filters): void {
  const refuse = (key: string, value: string) => {
    throw new Fault("invalid", `invalid filter '${key}=${value}'`);
  };
  for (const value of filterValues(filters, "status")) if (!STATES.includes(value)) refuse("status", value);
  for (const value of filterValues(filters, "health")) {
    if (!HEALTHS.includes(value)) throw new Fault("invalid", "unrecognized filter value for health");
  }
  for (const value of filterValues(filters, "exited")) if (!/^-?\d+$/.test(value)) refuse("exited", value);
  for (const value of filterValues(filters, "is-task")) isTrue("is-task", value);
}

/** Docker's words for a flag in a filter. */
export function isTrue(key: string, value: string): boolean {
  if (["1", "true"].includes(value)) return true;
  if (["0", "false"].includes(value)) return false;
  throw new Fault("invalid", `invalid filter '${key}=${value}'`);
}

/** By reference ("redis" means redis:latest), id, or beginning of an id. */
function isImage(container: ContainerInfo, image: ImageInfo | undefined, value: string): boolean {
  const names = [container.image, ...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])];
  if (names.includes(value) || names.includes(`${value}:latest`)) return true;
  const hex = value.replace(/^sha256:/, "");
  return /^[0-9a-f]{4,64}$/.test(hex) && container.imageId.replace(/^sha256:/, "").startsWith(hex);
}
