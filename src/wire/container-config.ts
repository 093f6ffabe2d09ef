import type { ContainerInfo, ImageInfo, RunSpec } from "../model/index.ts";
import { healthToWire } from "./health-check.ts";
import { machineToWire } from "./run-machine.ts";
import { portsToWire } from "./run-ports.ts";

/** A field of an image's config that is a list of texts, as JSON brought it. */
function textsIn(image: ImageInfo | undefined, field: string): string[] | undefined {
  const value = image?.config[field];
  return Array.isArray(value) ? value.map(String) : undefined;
}

function textIn(image: ImageInfo | undefined, field: string): string {
  const value = image?.config[field];
  return typeof value === "string" ? value : "";
}

function keysIn(image: ImageInfo | undefined, field: string): string[] {
  const value = image?.config[field];
  return typeof value === "object" && value !== null
    ? Object.keys(value).sort((a, b) => (a < b ? -1 : 1))
    : [];
}

/** The ports the image exposes: "80/tcp". */
export function exposedPorts(image: ImageInfo | undefined): string[] {
  return keysIn(image, "ExposedPorts");
}

/** The Config of a container's inspect: the user's words laid over the image's, as Docker merges them. */
export function containerConfigToWire(
  { config, image: name, labels, healthCheck, run }: ContainerInfo,
  image: ImageInfo | undefined,
): Record<string, unknown> {
  const ports = [...new Set([...exposedPorts(image), ...exposedByHand(run?.spec)])];
  const volumes = keysIn(image, "Volumes");
  return {
    Hostname: config.hostname,
    Domainname: run?.spec.domainname ?? "",
    User: config.user ?? textIn(image, "User"),
    AttachStdin: run?.spec.attach.stdin ?? false,
    AttachStdout: run?.spec.attach.stdout ?? false,
    AttachStderr: run?.spec.attach.stderr ?? false,
    ...(ports.length > 0 && { ExposedPorts: emptyObjects(ports) }),
    Tty: config.tty,
    OpenStdin: config.openStdin,
    StdinOnce: run?.spec.stdinOnce ?? false,
    Env: mergeEnv(textsIn(image, "Env") ?? [], config.env),
    Cmd: config.args ?? (config.entrypoint ? null : (textsIn(image, "Cmd") ?? null)),
    Image: name,
    Volumes: volumes.length > 0 ? emptyObjects(volumes) : null,
    WorkingDir: config.dir ?? textIn(image, "WorkingDir"),
    Entrypoint: config.entrypoint ?? textsIn(image, "Entrypoint") ?? null,
    OnBuild: null,
    Labels: labels,
    ...(config.stopSignal !== undefined && { StopSignal: config.stopSignal }),
    ...(healthCheck !== undefined && { Healthcheck: healthToWire(healthCheck) }),
  };
}

/** What was exposed when it was made; what is published is, too. */
function exposedByHand(spec: RunSpec | undefined): string[] {
  return spec === undefined ? [] : [...spec.exposed, ...spec.ports.map(portKey)];
}

/** "-v" of binds and named volumes, as inspect shows them. */
function bindsToWire(mounts: RunSpec["container"]["mounts"]): string[] | null {
  const lines = mounts.flatMap(({ type, source, target, readOnly }) =>
    type === "tmpfs" || source === "" ? [] : [`${source}:${target}${readOnly ? ":ro" : ""}`],
  );
  return lines.length > 0 ? lines : null;
}

function emptyObjects(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

/** "80/tcp" → the host's ports that lead there, as moby's nat.PortMap. */
export function portBindings({ hostPorts }: ContainerInfo, hostIp: string): Record<string, unknown> {
  const keys = [...new Set(hostPorts.map(portKey))];
  return Object.fromEntries(
    keys.map((key) => [
      key,
      hostPorts
        .filter((port) => portKey(port) === key)
        .map((port) => ({ HostIp: port.hostAddress ?? hostIp, HostPort: String(port.published) })),
    ]),
  );
}

/** "80/tcp": how Docker names a container's port. */
export function portKey({
  target,
  protocol,
}: Pick<ContainerInfo["hostPorts"][number], "target" | "protocol">): string {
  return `${target}/${protocol}`;
}

/** The user's pairs first, then the image's that they do not replace: Docker's order. */
function mergeEnv(fromImage: readonly string[], fromUser: readonly string[]): string[] {
  const keyOf = (pair: string) => pair.split("=")[0];
  const taken = new Set(fromUser.map(keyOf));
  return [...fromUser, ...fromImage.filter((pair) => !taken.has(keyOf(pair)))];
}

/** Docker's, of /dev/shm. */
const SHM_BYTES = 2 ** 26;

/** The HostConfig of a container's inspect, as far as Shoal's containers have one. */
export function hostConfigToWire(container: ContainerInfo): Record<string, unknown> {
  const { config, run } = container;
  const { resources } = config;
  return {
    Binds: run === undefined ? null : bindsToWire(run.spec.container.mounts),
    ContainerIDFile: "",
    LogConfig: logConfigToWire(config),
    NetworkMode: networkMode(container),
    PortBindings: run === undefined ? portBindings(container, "") : portsToWire(run.spec.ports),
    RestartPolicy: { Name: run?.spec.restart.name ?? "no", MaximumRetryCount: run?.spec.restart.most ?? 0 },
    AutoRemove: run?.spec.autoRemove ?? false,
    CapAdd: config.capAdd.length > 0 ? config.capAdd : null,
    CapDrop: config.capDrop.length > 0 ? config.capDrop : null,
    ExtraHosts: extraHosts(config),
    GroupAdd: config.groups.length > 0 ? config.groups : null,
    OomScoreAdj: config.oomScoreAdj ?? 0,
    Privileged: false,
    ShmSize: SHM_BYTES,
    IpcMode: "private",
    PublishAllPorts: run?.spec.publishAll ?? false,
    ReadonlyRootfs: config.readOnly,
    Memory: resources.memoryBytes ?? 0,
    MemoryReservation: resources.memoryReservationBytes ?? 0,
    NanoCpus: resources.nanoCpus ?? 0,
    PidsLimit: resources.pids ?? null,
    SecurityOpt: securityOptions(config),
    Ulimits: config.ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft })),
    Sysctls: config.sysctls,
    Runtime: "io.containerd.runc.v2",
    ...(config.init !== undefined && { Init: config.init }),
    ...(run?.spec.machine !== undefined && machineToWire(run.spec.machine)),
    CpuShares: resources.cpuShares ?? 0,
    CpusetCpus: resources.cpusetCpus ?? "",
    CpusetMems: resources.cpusetMems ?? "",
    // As with Docker, as much swap as memory unless it was said.
    MemorySwap: resources.memorySwapBytes ?? (resources.memoryBytes ?? 0) * 2,
  };
}

/** Docker's word for where a container's network is. */
export function networkMode({ config, run }: ContainerInfo): string {
  if (run !== undefined) return run.spec.networkMode === "default" ? "bridge" : run.spec.networkMode;
  return config.netns === undefined ? "host" : "default";
}

function logConfigToWire(config: ContainerInfo["config"]): Record<string, unknown> {
  if (config.logDriver === "none") return { Type: "none", Config: {} };
  const limits = { "max-file": String(config.logMaxFiles), "max-size": String(config.logMaxBytes) };
  return { Type: "json-file", Config: limits };
}

/** "name:address", as `--add-host` has it; its own name is not extra. */
function extraHosts({ hosts, hostname }: ContainerInfo["config"]): string[] | null {
  const extra = hosts.filter(({ names }) => names.length !== 1 || names[0] !== hostname);
  const lines = extra.flatMap(({ address, names }) => names.map((name) => `${name}:${address}`));
  return lines.length > 0 ? lines : null;
}

/** As Docker's executor writes a task's privileges (moby executor/container/container.go). */
function securityOptions({ privileges }: ContainerInfo["config"]): string[] | null {
  const { seccomp, appArmor, noNewPrivileges = false } = privileges ?? {};
  const bytes = Uint8Array.from(atob(seccomp?.profile ?? ""), (char) => char.charCodeAt(0));
  const profile = new TextDecoder().decode(bytes);
  const options = [
    ...(seccomp?.mode === "unconfined" ? ["seccomp=unconfined"] : []),
    ...(seccomp?.mode === "custom" ? [`seccomp=${profile}`] : []),
    ...(appArmor === "disabled" ? ["apparmor=unconfined"] : []),
    ...(noNewPrivileges ? ["no-new-privileges=true"] : []),
  ];
  return options.length > 0 ? options : null;
}
