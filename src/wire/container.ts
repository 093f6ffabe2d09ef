import type { Instant } from "../lib/index.ts";
import type { ContainerInfo, ImageInfo } from "../model/index.ts";
import {
  containerConfigToWire,
  exposedPorts,
  hostConfigToWire,
  networkMode,
  portBindings,
  portKey,
} from "./container-config.ts";
import { humanDuration } from "./human-duration.ts";
import { omitEmpty } from "./json.ts";
import { formatTime } from "./time.ts";

const EVERY_ADDRESS = "0.0.0.0";

export type DockerState = "created" | "running" | "paused" | "restarting" | "exited";

/** Docker's word for a container's status. */
export function stateOf({ status, paused, run }: ContainerInfo): DockerState {
  if (status === "stopped") return run?.isRestarting === true ? "restarting" : "exited";
  return paused === true ? "paused" : status;
}

/** The STATUS column of `docker ps` (moby container/state.go String). */
export function statusText(container: ContainerInfo, now: Instant): string {
  switch (stateOf(container)) {
    case "created":
      return "Created";
    case "running":
      return `${upText(container, now)}${healthText(container)}`;
    case "paused":
      return `${upText(container, now)} (Paused)`;
    case "restarting":
      return `Restarting ${endText(container, now)}`;
    case "exited":
      return `Exited ${endText(container, now)}`;
  }
}

function upText({ startedAt }: ContainerInfo, now: Instant): string {
  return `Up ${humanDuration(now - (startedAt ?? now))}`;
}

function endText({ exitCode = 0, finishedAt }: ContainerInfo, now: Instant): string {
  return `(${exitCode}) ${humanDuration(now - (finishedAt ?? now))} ago`;
}

/** moby container/health.go String. */
function healthText({ health }: ContainerInfo): string {
  if (health === undefined) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}

/** One row of GET /containers/json. `image` is what the container was made from, when it is still here. */
export function containerSummary(
  container: ContainerInfo,
  { now, image }: { now: Instant; image: ImageInfo | undefined },
): Record<string, unknown> {
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: container.image,
    ImageID: container.imageId,
    Command: commandText(container.command),
    Created: Math.floor(container.createdAt / 1000),
    Ports: portRows(container, image),
    Labels: container.labels,
    State: stateOf(container),
    Status: statusText(container, now),
    HostConfig: { NetworkMode: networkMode(container) },
    NetworkSettings: { Networks: networksToWire(container) },
    Mounts: mountsToWire(container),
  };
}

/** The COMMAND column: arguments with blanks in quotes. */
function commandText(command: readonly string[]): string {
  const [path = "", ...args] = command;
  return [path, ...args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg))].join(" ");
}

/** Ports that are published on the host, then those that the image only exposes. */
function portRows({ hostPorts }: ContainerInfo, image: ImageInfo | undefined): Record<string, unknown>[] {
  const published = hostPorts.map((port) => ({
    IP: port.hostAddress ?? EVERY_ADDRESS,
    PrivatePort: port.target,
    PublicPort: port.published,
    Type: port.protocol,
  }));
  const taken = new Set(hostPorts.map(portKey));
  const exposed = exposedPorts(image).filter((port) => !taken.has(port));
  return [...published, ...exposed.map(splitPort)];
}

function splitPort(port: string): { PrivatePort: number; Type: string } {
  const [number = "", protocol = "tcp"] = port.split("/");
  return { PrivatePort: Number(number), Type: protocol };
}

/** GET /containers/{id}/json (moby api/types/container InspectResponse). */
export function containerInspect(
  container: ContainerInfo,
  image: ImageInfo | undefined,
): Record<string, unknown> {
  const [path = "", ...args] = container.command;
  return {
    Id: container.id,
    Created: formatTime(container.createdAt),
    Path: path,
    Args: args,
    State: stateToWire(container),
    Image: container.imageId,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: container.logPath,
    Name: `/${container.name}`,
    RestartCount: container.run?.restarts ?? 0,
    Driver: "overlayfs",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: hostConfigToWire(container),
    GraphDriver: { Data: null, Name: "overlayfs" },
    Mounts: mountsToWire(container),
    Config: containerConfigToWire(container, image),
    NetworkSettings: networkSettings(container, image),
  };
}

function stateToWire(container: ContainerInfo): Record<string, unknown> {
  const isRunning = container.status === "running";
  return {
    Status: stateOf(container),
    Running: isRunning,
    Paused: container.paused ?? false,
    Restarting: container.run?.isRestarting ?? false,
    OOMKilled: container.oomKilled ?? false,
    Dead: false,
    Pid: container.pid ?? 0,
    ExitCode: isRunning ? 0 : (container.exitCode ?? 0),
    Error: "",
    StartedAt: formatTime(container.startedAt),
    FinishedAt: formatTime(isRunning ? undefined : container.finishedAt),
    ...(container.health !== undefined && { Health: healthStateToWire(container.health) }),
  };
}

function healthStateToWire(health: NonNullable<ContainerInfo["health"]>): Record<string, unknown> {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map(({ start, end, exitCode, output }) => ({
      Start: formatTime(start),
      End: formatTime(end),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

function networkSettings(container: ContainerInfo, image: ImageInfo | undefined): Record<string, unknown> {
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: container.config.netns ?? "",
    Ports: {
      ...Object.fromEntries(exposedPorts(image).map((port) => [port, null])),
      ...portBindings(container, EVERY_ADDRESS),
    },
    Networks: networksToWire(container),
  };
}

function networksToWire({ networks }: ContainerInfo): Record<string, unknown> {
  return Object.fromEntries(
    networks.map((place) => {
      const [address = "", bits = "0"] = place.address.split("/");
      const [address6 = "", bits6 = "0"] = place.v6?.address.split("/") ?? [];
      const { aliases = [], asked = { address, address6 } } = place;
      const chosen = omitEmpty({ IPv4Address: asked.address, IPv6Address: asked.address6 });
      const endpoint = {
        IPAMConfig: Object.keys(chosen).length > 0 ? chosen : null,
        Links: null,
        Aliases: aliases.length > 0 ? aliases : null,
        MacAddress: place.mac,
        DriverOpts: null,
        NetworkID: place.networkId,
        EndpointID: "",
        Gateway: place.gateway,
        IPAddress: address,
        IPPrefixLen: Number(bits),
        IPv6Gateway: place.v6?.gateway ?? "",
        GlobalIPv6Address: address6,
        GlobalIPv6PrefixLen: Number(bits6),
        DNSNames: null,
      };
      return [place.name, endpoint];
    }),
  );
}

function mountsToWire({ mounts }: ContainerInfo): Record<string, unknown>[] {
  return mounts.map(({ type, name, source, target, readOnly }) => ({
    Type: type,
    ...(name !== undefined && { Name: name }),
    Source: type === "tmpfs" ? "" : source,
    Destination: target,
    ...(type === "volume" && { Driver: "local" }),
    Mode: "",
    RW: !readOnly,
    Propagation: type === "bind" ? "rprivate" : "",
  }));
}
