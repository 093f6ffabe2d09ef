import { messageOf } from "../lib/index.ts";
import { serviceSpecFromWire } from "../wire/index.ts";
import type { Position, Problems } from "./problem.ts";
import type { WantedService } from "./stack.ts";

/** Which field of the file a refusal of the API is about, by its words; the first that fits and is said. */
const FIELDS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/log/i, ["logging"]],
  [/constraint|operator/i, ["constraints", "placement"]],
  [/preference/i, ["preferences"]],
  [/health|probe|interval|retries/i, ["healthcheck"]],
  [/mount|volume|tmpfs|propagation/i, ["volumes", "tmpfs"]],
  [/port|endpoint/i, ["ports", "endpoint_mode"]],
  [/environment|\benv\b/i, ["environment", "env_file"]],
  [/capabilit/i, ["cap_add", "cap_drop"]],
  [/sysctl/i, ["sysctls"]],
  [/ulimit/i, ["ulimits"]],
  [/oom/i, ["oom_score_adj"]],
  [/hostname/i, ["hostname"]],
  [/host/i, ["extra_hosts"]],
  [/name ?server|dns/i, ["dns", "dns_search", "dns_opt"]],
  [/secret/i, ["secrets"]],
  [/config/i, ["configs"]],
  [/network|alias/i, ["networks"]],
  [/memory/i, ["memory", "resources"]],
  [/cpu/i, ["cpus", "resources"]],
  [/generic/i, ["generic_resources", "devices"]],
  [/restart/i, ["restart_policy", "restart"]],
  [/rollback/i, ["rollback_config"]],
  [/update|parallelism|delay|monitor/i, ["update_config"]],
  [/replica|completion|tasks/i, ["replicas"]],
  [/isolation/i, ["isolation"]],
  [/image|reference/i, ["image"]],
];
const PREFIX_REGEXP = /^rpc error: code = \w+ desc = /;
const LONGEST_FILE_NAME = 64;

/** What the cluster's API would refuse of a service, told where the file says it. */
export function tellRefusals(service: WantedService, problems: Problems): void {
  try {
    serviceSpecFromWire(service.spec);
  } catch (error) {
    const message = messageOf(error).replace(PREFIX_REGEXP, "");
    problems.error(placeOf(message, service), `the service ${service.key} would be refused: ${message}`);
  }
}

function placeOf(message: string, { fields, at }: WantedService): Position {
  for (const [pattern, names] of FIELDS) {
    const name = pattern.test(message) ? names.find((one) => fields.has(one)) : undefined;
    const place = name === undefined ? undefined : fields.get(name);
    if (place !== undefined) return place;
  }
  return at;
}

/** Ports that two services of the stack publish. */
export function tellClashes(services: readonly WantedService[], problems: Problems): void {
  const taken = new Map<string, string>();
  for (const { key, fields, at, spec } of services) {
    const { Ports: ports = [] } = spec["EndpointSpec"] as { Ports?: readonly PublishedPort[] };
    for (const { PublishedPort: port, Protocol: protocol, PublishMode: mode } of ports) {
      if (port === undefined || mode === "host") continue;
      const other = taken.get(`${port}/${protocol}`);
      if (other !== undefined)
        problems.error(
          fields.get("ports") ?? at,
          `${key} and ${other} both publish port ${port}/${protocol}`,
        );
      taken.set(`${port}/${protocol}`, key);
    }
  }
}

interface PublishedPort {
  readonly PublishedPort?: number;
  readonly Protocol: string;
  readonly PublishMode: string;
}

/** True when a secret or config may be called so (swarmkit's rule for file objects). */
export function isFileName(name: string): boolean {
  return name.length <= LONGEST_FILE_NAME && /^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$/.test(name);
}
