import { effectiveCapabilities } from "./capabilities.ts";
import type { DeployWords, ResourceWords, UpdateWords } from "./deploy-words.ts";
import { familiarImage } from "./image.ts";
import type { Position, Problems } from "./problem.ts";
import { securityOptions } from "./security.ts";
import type { HealthWords, ServiceWords } from "./service-words.ts";
import { IMAGE, type Json, scoped, stackLabels } from "./stack.ts";

/** What of a service was worked out against the rest of the stack. */
export interface Resolved {
  readonly env: readonly string[];
  readonly labels: ReadonlyMap<string, string | undefined>;
  readonly mounts: readonly Json[];
  readonly networks: readonly Json[];
  readonly secrets: readonly Json[];
  readonly configs: readonly Json[];
}

interface Given {
  readonly stack: string;
  readonly key: string;
  readonly words: Partial<ServiceWords>;
  readonly resolved: Resolved;
  readonly at: Position;
  readonly problems: Problems;
}

/** The service as the Engine API takes it, just as `docker stack deploy` would say it (docker/cli cli/compose/convert). */
export function serviceSpec(given: Given): Json {
  const { stack, key, words, resolved } = given;
  const deploy = words.deploy ?? {};
  return {
    Name: scoped(stack, key),
    Labels: { ...stackLabels(stack, deploy.labels), [IMAGE]: words.image ?? "" },
    TaskTemplate: {
      ContainerSpec: containerSpec(given),
      ...resources(given),
      ...restartPolicy(words, given.problems),
      Placement: placement(deploy),
      ...(words.logging !== undefined && {
        LogDriver: { Name: words.logging.driver ?? "", Options: plain(words.logging.options) },
      }),
      Networks: resolved.networks,
    },
    Mode: mode(words, given),
    ...(deploy.update_config && { UpdateConfig: updateConfig(deploy.update_config) }),
    ...(deploy.rollback_config && { RollbackConfig: updateConfig(deploy.rollback_config) }),
    EndpointSpec: endpoint(words),
  };
}

function containerSpec({ stack, words, resolved, problems }: Given): Json {
  const { add, drop } = effectiveCapabilities(words.cap_add ?? [], words.cap_drop ?? []);
  return pruned({
    Image: words.image && familiarImage(words.image),
    Command: words.entrypoint,
    Args: words.command,
    Hostname: words.hostname,
    Hosts: words.extra_hosts?.map(hostLine),
    DNSConfig: dnsConfig(words),
    Healthcheck: words.healthcheck && healthcheck(words.healthcheck),
    Env: resolved.env,
    Labels: stackLabels(stack, resolved.labels),
    Dir: words.working_dir,
    User: words.user,
    Groups: words.group_add,
    Mounts: resolved.mounts,
    StopGracePeriod: words.stop_grace_period,
    StopSignal: words.stop_signal,
    TTY: words.tty,
    OpenStdin: words.stdin_open,
    Secrets: resolved.secrets,
    Configs: resolved.configs,
    ReadOnly: words.read_only,
    Privileges: securityOptions(words.security_opt ?? [], problems),
    Isolation: words.isolation,
    Init: words.init,
    Sysctls: words.sysctls && plain(words.sysctls),
    CapabilityAdd: add,
    CapabilityDrop: drop,
    Ulimits: ulimits(words),
    OomScoreAdj: words.oom_score_adj,
  });
}

/** Without what is undefined, and without empty lists. */
function pruned(fields: Json): Json {
  const kept = Object.entries(fields).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept);
}

const plain = (map: ReadonlyMap<string, string | undefined> | undefined): Record<string, string> =>
  Object.fromEntries([...(map ?? [])].map(([key, value]) => [key, value ?? ""]));

/** `name:address` as /etc/hosts has it. */
function hostLine(host: string): string {
  const colon = host.indexOf(":");
  return `${host.slice(colon + 1)} ${host.slice(0, colon)}`;
}

function dnsConfig({ dns, dns_search: search, dns_opt: options }: Partial<ServiceWords>): Json | undefined {
  if (dns === undefined && search === undefined && options === undefined) return undefined;
  return pruned({ Nameservers: dns, Search: search, Options: options });
}

function healthcheck(words: Partial<HealthWords>): Json {
  return pruned({
    Test: words.disable === true ? ["NONE"] : words.test,
    Interval: words.interval,
    Timeout: words.timeout,
    StartPeriod: words.start_period,
    StartInterval: words.start_interval,
    Retries: words.retries,
  });
}

function ulimits({ ulimits: words }: Partial<ServiceWords>): Json[] {
  return [...(words ?? [])]
    .map(([Name, { soft = 0, hard = soft }]) => ({ Name, Hard: hard, Soft: soft }))
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

function resources({ words, problems }: Given): Json {
  const { limits, reservations } = words.deploy?.resources ?? {};
  if (limits === undefined && reservations === undefined) return {};
  const generic = reservations === undefined ? [] : genericResources(reservations, problems);
  return {
    Resources: pruned({
      Limits: limits && pruned({ ...quantities(limits), Pids: limits.pids }),
      Reservations: reservations && pruned({ ...quantities(reservations), GenericResources: generic }),
    }),
  };
}

const quantities = ({ cpus, memory }: Partial<ResourceWords>): Json => ({
  NanoCPUs: cpus === undefined ? undefined : Math.round(cpus * 1e9),
  MemoryBytes: memory,
});

/** A device is what a node calls a generic resource: of the kind that its first capability names. */
function genericResources(words: Partial<ResourceWords>, problems: Problems): Json[] {
  const counted = (words.generic_resources ?? []).map(({ discrete_resource_spec: spec }) => ({
    DiscreteResourceSpec: { Kind: spec?.kind ?? "", Value: spec?.value ?? 0 },
  }));
  const devices = (words.devices ?? []).flatMap(({ value, at }) => {
    const [kind] = value.capabilities ?? [];
    if (kind === undefined) return problems.error(at, "a device must say its capabilities") ?? [];
    if (value.device_ids !== undefined || (value.count ?? "1") === "all") {
      const what = value.device_ids === undefined ? "count: all" : "device_ids";
      return problems.error(at, `${what} cannot be reserved in a swarm: say how many by count`) ?? [];
    }
    problems.warn(at, `${kind} is reserved as the generic resource ${kind} of a node`);
    return [{ DiscreteResourceSpec: { Kind: kind, Value: Number(value.count ?? 1) } }];
  });
  return [...counted, ...devices];
}

const RESTART_REGEXP = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/;

function restartPolicy({ deploy, restart }: Partial<ServiceWords>, problems: Problems): Json {
  const policy = deploy?.restart_policy;
  if (policy !== undefined) {
    const { condition, delay, max_attempts: attempts, window } = policy;
    const fields = { Condition: condition, Delay: delay, MaxAttempts: attempts, Window: window };
    return { RestartPolicy: pruned(fields) };
  }
  const [, name, attempts] = RESTART_REGEXP.exec(restart?.value ?? "") ?? [];
  if (restart !== undefined && name === undefined)
    problems.error(restart.at, "restart is one of no, always, unless-stopped, on-failure[:times]");
  if (restart !== undefined && name === "no")
    problems.warn(restart.at, "restart: no is ignored: say deploy.restart_policy.condition: none");
  if (name === undefined || name === "no") return {};
  if (name !== "on-failure") return { RestartPolicy: { Condition: "any" } };
  return { RestartPolicy: { Condition: "on-failure", MaxAttempts: Number(attempts ?? 0) } };
}

function placement({ placement: words }: Partial<DeployWords>): Json {
  return pruned({
    Constraints: words?.constraints,
    Preferences: words?.preferences?.map(({ spread = "" }) => ({ Spread: { SpreadDescriptor: spread } })),
    MaxReplicas: words?.max_replicas_per_node,
  });
}

function mode({ deploy, scale }: Partial<ServiceWords>, { problems }: Given): Json {
  const name = deploy?.mode ?? "replicated";
  const replicas = deploy?.replicas ?? scale;
  if (name.startsWith("global") && replicas !== undefined)
    problems.error(
      replicas.at,
      `a service of mode ${name} has as many tasks as there are nodes: no replicas`,
    );
  if (name === "global") return { Global: {} };
  if (name === "global-job") return { GlobalJob: {} };
  const count = replicas?.value;
  if (name === "replicated-job")
    return { ReplicatedJob: pruned({ MaxConcurrent: count, TotalCompletions: count }) };
  return { Replicated: pruned({ Replicas: count }) };
}

function updateConfig(words: Partial<UpdateWords>): Json {
  return pruned({
    Parallelism: words.parallelism ?? 1,
    Delay: words.delay,
    FailureAction: words.failure_action,
    Monitor: words.monitor,
    MaxFailureRatio: words.max_failure_ratio ?? 0,
    Order: words.order,
  });
}

function endpoint({ deploy, ports }: Partial<ServiceWords>): Json {
  const all = (ports ?? []).flatMap(({ value }) => value);
  const wire = all.map(({ target, published, protocol, mode: publish }) => ({
    Protocol: protocol,
    TargetPort: target,
    ...(published > 0 && { PublishedPort: published }),
    PublishMode: publish,
  }));
  wire.sort((a, b) => (a.PublishedPort ?? 0) - (b.PublishedPort ?? 0));
  return pruned({ Mode: deploy?.endpoint_mode, Ports: wire });
}
