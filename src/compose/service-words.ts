import { type DeployWords, deployWords } from "./deploy-words.ts";
import { type FileWords, fileReference } from "./file-reference.ts";
import { type MountWords, mount } from "./mount-words.ts";
import { type PortWords, port } from "./port-words.ts";
import {
  duration,
  either,
  flag,
  ignored,
  isNothing,
  list,
  mapOf,
  natural,
  object,
  oneOrList,
  pairs,
  type Read,
  refused,
  type Said,
  said,
  text,
  untouched,
  whole,
  word,
} from "./read.ts";
import type { Condition } from "./stack.ts";
import { splitWords } from "./units.ts";

export interface HealthWords {
  test: string[];
  interval: number;
  timeout: number;
  start_period: number;
  start_interval: number;
  retries: number;
  disable: boolean;
}

export interface NetworkUse {
  aliases: string[];
  driver_opts: Map<string, string | undefined>;
}

export interface EnvFile {
  path: string;
  required: boolean;
  format: "raw";
}

export interface UlimitWords {
  soft: number;
  hard: number;
}

export interface DependsWords {
  condition: Condition;
  required: boolean;
}

/** A service in the words of the file, checked. */
export interface ServiceWords {
  image: string;
  command: string[];
  entrypoint: string[];
  environment: Map<string, string | undefined>;
  env_file: Said<Partial<EnvFile>>[];
  labels: Map<string, string | undefined>;
  label_file: Said<string>[];
  hostname: string;
  working_dir: string;
  user: string;
  group_add: string[];
  tty: boolean;
  stdin_open: boolean;
  read_only: boolean;
  init: boolean;
  stop_signal: string;
  stop_grace_period: number;
  healthcheck: Partial<HealthWords>;
  extra_hosts: string[];
  dns: string[];
  dns_search: string[];
  dns_opt: string[];
  cap_add: string[];
  cap_drop: string[];
  sysctls: Map<string, string | undefined>;
  ulimits: Map<string, Partial<UlimitWords>>;
  oom_score_adj: number;
  isolation: string;
  logging: Partial<{ driver: string; options: Map<string, string | undefined> }>;
  restart: Said<string>;
  networks: Map<string, Said<Partial<NetworkUse>>>;
  ports: Said<PortWords[]>[];
  volumes: Said<Partial<MountWords>>[];
  tmpfs: string[];
  secrets: Said<Partial<FileWords>>[];
  configs: Said<Partial<FileWords>>[];
  depends_on: Map<string, Said<Partial<DependsWords>>>;
  deploy: Partial<DeployWords>;
  profiles: string[];
  security_opt: Said<string>[];
  scale: Said<number>;
}

const command: Read<string[]> = (tree, problems, at) => {
  if (tree.kind === "list") return list(text)(tree, problems, at);
  const line = text(tree, problems, at);
  const words = line === undefined ? undefined : splitWords(line);
  return line !== undefined && words === undefined
    ? problems.error(tree.at, "a quote in this command is not closed")
    : words;
};

const healthTest: Read<string[]> = (tree, problems, at) => {
  if (tree.kind === "scalar") {
    const line = text(tree, problems, at);
    return line === undefined ? undefined : ["CMD-SHELL", line];
  }
  const words = list(text)(tree, problems, at) ?? [];
  const [kind] = words;
  return kind === undefined || ["NONE", "CMD", "CMD-SHELL"].includes(kind)
    ? words
    : problems.error(tree.at, `a test begins with NONE, CMD or CMD-SHELL, not ${kind}`);
};

/** Hosts as `name:address`, from a list or a mapping. */
const hosts: Read<string[]> = (tree, problems, at) => {
  if (tree.kind === "list") return list(text)(tree, problems, at)?.map((host) => host.replace("=", ":"));
  const map = mapOf(oneOrList(text))(tree, problems, at);
  return map && [...map].flatMap(([name, addresses]) => addresses.map((one) => `${name}:${one}`));
};

/** A list of names, or a mapping from names to more about them. */
function named<T>(read: Read<Partial<T>>, usual: Partial<T>): Read<Map<string, Said<Partial<T>>>> {
  return (tree, problems, at) => {
    if (tree.kind !== "list") {
      return mapOf<Said<Partial<T>>>((value, told, keyAt) => {
        const found = isNothing(value) ? usual : read(value, told, keyAt);
        return found === undefined ? undefined : { value: found, at: keyAt };
      })(tree, problems, at);
    }
    const names = list(said(text))(tree, problems, at) ?? [];
    return new Map(names.map(({ value, at: where }) => [value, { value: usual, at: where }]));
  };
}

const envFile: Read<Partial<EnvFile>> = (tree, problems, at) => {
  if (tree.kind !== "scalar")
    return object<EnvFile>("env_file", { path: text, required: flag, format: word("raw") })(
      tree,
      problems,
      at,
    );
  const path = text(tree, problems, at);
  return path === undefined ? undefined : { path };
};

const network = object<NetworkUse & Record<string, unknown>>("a service's network", {
  aliases: list(text),
  driver_opts: pairs,
  ipv4_address: ignored("a task has no fixed address: ipv4_address is ignored"),
  ipv6_address: ignored("a task has no fixed address: ipv6_address is ignored"),
  link_local_ips: ignored("link_local_ips is ignored: a swarm has none"),
  mac_address: ignored("mac_address is ignored: a task's follows from its address"),
  priority: ignored("priority is ignored: a swarm orders networks itself"),
  gw_priority: ignored("gw_priority is ignored: tasks leave by the gateway bridge"),
  interface_name: ignored("interface_name is ignored: a swarm names interfaces itself"),
} as never) as unknown as Read<Partial<NetworkUse>>;

const swarmHasNone = (name: string, instead = "") =>
  ignored(`${name} is ignored: a swarm's tasks have none${instead === "" ? "" : `; ${instead}`}`);

/** Fields that are of the specification and mean nothing to a swarm, or that nothing is made of here. */
const unused = {
  build: ignored("build is ignored: a swarm runs images; build and push it first"),
  container_name: ignored("container_name is ignored: tasks name their containers service.slot.id"),
  links: ignored("links is ignored: services find each other by name on a shared network"),
  external_links: ignored("external_links is ignored: join the other stack's network instead"),
  network_mode: ignored("network_mode is ignored: name networks, or the external network host"),
  expose: untouched,
  annotations: swarmHasNone("annotations", "use labels"),
  attach: untouched,
  blkio_config: swarmHasNone("blkio_config"),
  cgroup: swarmHasNone("cgroup"),
  cgroup_parent: swarmHasNone("cgroup_parent"),
  cpu_count: swarmHasNone("cpu_count", "use deploy.resources.limits.cpus"),
  cpu_percent: swarmHasNone("cpu_percent", "use deploy.resources.limits.cpus"),
  cpu_period: swarmHasNone("cpu_period", "use deploy.resources.limits.cpus"),
  cpu_quota: swarmHasNone("cpu_quota", "use deploy.resources.limits.cpus"),
  cpu_rt_period: swarmHasNone("cpu_rt_period"),
  cpu_rt_runtime: swarmHasNone("cpu_rt_runtime"),
  cpu_shares: swarmHasNone("cpu_shares", "use deploy.resources.reservations.cpus"),
  cpus: swarmHasNone("cpus", "use deploy.resources.limits.cpus"),
  cpuset: swarmHasNone("cpuset"),
  credential_spec: refused("credential_spec is of Windows, which Shoal does not run on"),
  develop: untouched,
  device_cgroup_rules: swarmHasNone("device_cgroup_rules"),
  devices: swarmHasNone("devices", "reserve a generic resource in deploy.resources.reservations"),
  domainname: swarmHasNone("domainname"),
  extends: untouched,
  gpus: swarmHasNone("gpus", "use deploy.resources.reservations.devices"),
  ipc: swarmHasNone("ipc"),
  mac_address: swarmHasNone("mac_address"),
  mem_limit: swarmHasNone("mem_limit", "use deploy.resources.limits.memory"),
  mem_reservation: swarmHasNone("mem_reservation", "use deploy.resources.reservations.memory"),
  mem_swappiness: swarmHasNone("mem_swappiness"),
  memswap_limit: swarmHasNone("memswap_limit"),
  models: swarmHasNone("models"),
  oom_kill_disable: swarmHasNone("oom_kill_disable"),
  pid: swarmHasNone("pid"),
  pids_limit: swarmHasNone("pids_limit", "use deploy.resources.limits.pids"),
  platform: swarmHasNone("platform", "use a placement constraint node.platform.arch"),
  post_start: swarmHasNone("post_start"),
  pre_stop: swarmHasNone("pre_stop"),
  privileged: swarmHasNone("privileged", "add the capabilities it needs by cap_add"),
  provider: swarmHasNone("provider"),
  pull_policy: swarmHasNone("pull_policy", "every task pulls what its node has not"),
  pull_refresh_after: untouched,
  runtime: swarmHasNone("runtime"),
  storage_opt: swarmHasNone("storage_opt"),
  userns_mode: swarmHasNone("userns_mode"),
  use_api_socket: swarmHasNone("use_api_socket"),
  uts: swarmHasNone("uts"),
  volumes_from: swarmHasNone("volumes_from", "share a named volume"),
};

/** Reads one service. */
export const serviceWords: Read<Partial<ServiceWords>> = object("a service", {
  ...unused,
  image: text,
  command,
  entrypoint: command,
  environment: pairs,
  env_file: oneOrList(said(envFile)),
  labels: pairs,
  label_file: oneOrList(said(text)),
  hostname: text,
  working_dir: text,
  user: text,
  group_add: list(text),
  tty: flag,
  stdin_open: flag,
  read_only: flag,
  init: flag,
  stop_signal: text,
  stop_grace_period: duration,
  healthcheck: object<HealthWords>("a healthcheck", {
    test: healthTest,
    interval: duration,
    timeout: duration,
    start_period: duration,
    start_interval: duration,
    retries: natural,
    disable: flag,
  }),
  extra_hosts: hosts,
  dns: oneOrList(text),
  dns_search: oneOrList(text),
  dns_opt: list(text),
  cap_add: list(text),
  cap_drop: list(text),
  sysctls: pairs,
  ulimits: mapOf(
    either<Partial<UlimitWords>>(
      (tree, problems, at) => {
        const limit = whole(tree, problems, at);
        return limit === undefined ? undefined : { soft: limit, hard: limit };
      },
      object<UlimitWords>("a ulimit", { soft: whole, hard: whole }),
    ),
  ),
  oom_score_adj: whole,
  isolation: text,
  logging: object<{ driver: string; options: Map<string, string | undefined> }>("logging", {
    driver: text,
    options: pairs,
  }),
  restart: said(text),
  networks: named(network, {}),
  ports: list(said(port)),
  volumes: list(said(mount)),
  tmpfs: oneOrList(text),
  secrets: list(said(fileReference)),
  configs: list(said(fileReference)),
  depends_on: named(
    object<DependsWords & { restart: boolean }>("a dependency", {
      condition: word("service_started", "service_healthy", "service_completed_successfully"),
      required: flag,
      restart: ignored("restart of a dependency is ignored: a swarm restarts each service by itself"),
    }) as Read<Partial<DependsWords>>,
    { condition: "service_started" },
  ),
  deploy: deployWords,
  profiles: list(text),
  security_opt: list(said(text)),
  scale: said(natural),
  shm_size: swarmHasNone("shm_size", "mount a tmpfs of that size at /dev/shm"),
} as never) as unknown as Read<Partial<ServiceWords>>;
