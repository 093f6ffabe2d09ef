import { placeIn } from "../lib/index.ts";
import type {
  Attachment,
  JobStatus,
  Network,
  NetworkSide,
  Service,
  ServiceMode,
  Task,
  UpdateStatus,
} from "../model/index.ts";
import { omitEmpty } from "./json.ts";
import { endpointSpecToWire, portToWire, serviceSpecToWire } from "./service-spec.ts";
import { formatTime } from "./time.ts";

/** What `docker service inspect` may ask for beside the service. */
export interface ServiceView {
  /** Fill in what the user left out. */
  readonly defaults?: boolean;
  /** The networks of its VIPs, for their prefix lengths. */
  readonly networks: ReadonlyMap<string, Network>;
}

export interface ServiceStatus {
  readonly running: number;
  readonly desired: number;
  /** Jobs: tasks of this iteration that did their work. */
  readonly completed: number;
}

/** A service in Docker's JSON. */
export function serviceToWire(service: Service, view: ServiceView): Record<string, unknown> {
  const defaults = view.defaults ?? false;
  return {
    ID: service.id,
    Version: { Index: service.version },
    CreatedAt: formatTime(service.createdAt),
    UpdatedAt: formatTime(service.updatedAt),
    Spec: serviceSpecToWire(service.spec, { defaults }),
    ...(service.previousSpec !== undefined && {
      PreviousSpec: serviceSpecToWire(service.previousSpec),
    }),
    Endpoint: endpointToWire(service, view.networks),
    ...(service.updateStatus !== undefined && { UpdateStatus: updateStatusToWire(service.updateStatus) }),
    ...(service.job !== undefined && { JobStatus: jobToWire(service.job) }),
  };
}

/** How many tasks run and how many should, for `?status=true`. */
export function serviceStatusToWire(status: ServiceStatus): Record<string, number> {
  return {
    RunningTasks: status.running,
    DesiredTasks: status.desired,
    CompletedTasks: status.completed,
  };
}

/** Empty, as Swarm's, until the service was given something. */
function endpointToWire(service: Service, networks: ReadonlyMap<string, Network>): Record<string, unknown> {
  const { endpoint } = service;
  if (endpoint === undefined || endpoint.ports.length + endpoint.vips.length === 0) return { Spec: {} };
  return {
    Spec: endpointSpecToWire(endpoint.spec),
    ...omitEmpty({
      Ports: endpoint.ports.map(portToWire),
      VirtualIPs: endpoint.vips.flatMap((vip) =>
        addressesOf(vip, networks.get(vip.networkId)).map((Addr) => ({ NetworkID: vip.networkId, Addr })),
      ),
    }),
  };
}

/** A place's addresses: "10.0.1.2/24", and "fd00:1::2/64" where it has IPv6; bare when the network is gone. */
export function addressesOf(place: Attachment, network: Network | undefined): string[] {
  const { address, address6 } = place;
  const four = withPrefix(address, network?.state);
  return address6 === undefined ? [four] : [four, withPrefix(address6, network?.state?.v6)];
}

function withPrefix(address: string, side: NetworkSide | undefined): string {
  return side === undefined ? address : placeIn(side, address).address;
}

function updateStatusToWire(status: UpdateStatus): Record<string, unknown> {
  return {
    State: status.state,
    StartedAt: formatTime(status.startedAt),
    ...(status.completedAt !== undefined && { CompletedAt: formatTime(status.completedAt) }),
    Message: status.message,
  };
}

function jobToWire(job: JobStatus): Record<string, unknown> {
  return { JobIteration: { Index: job.iteration }, LastExecution: formatTime(job.lastExecution) };
}

/** A service's figures from its tasks, as swarmkit's ListServiceStatuses counts them. */
export function serviceStatus(service: Service, tasks: readonly Task[]): ServiceStatus {
  const { job } = service;
  const current = job === undefined ? tasks : tasks.filter((t) => t.jobIteration === job.iteration);
  const count = (fits: (task: Task) => boolean) => current.filter(fits).length;
  return {
    running: count((task) => task.status.state === "running"),
    desired: desiredOf(service.spec.mode) ?? count(isDesired),
    completed: job === undefined ? 0 : count((task) => task.status.state === "complete"),
  };
}

/** As many as should run at once, where the spec says so. */
function desiredOf(mode: ServiceMode): number | undefined {
  if (mode.kind === "replicated") return mode.replicas;
  return mode.kind === "replicated-job" ? mode.maxConcurrent : undefined;
}

/** Where nodes decide the number: tasks that should run, or (a job's) that should complete and have not yet. */
function isDesired({ desiredState, status }: Task): boolean {
  return desiredState === "running" || (desiredState === "complete" && status.state !== "complete");
}
