import type { RunSpec } from "../model/index.ts";

/** What `docker run -d IMAGE` asks for, with what a test cares about laid over. */
export function aRunSpec({
  image = "app:1",
  script,
  hosts = [],
  ...over
}: Partial<RunSpec> & {
  readonly image?: string;
  readonly script?: string;
  readonly hosts?: readonly string[];
} = {}): RunSpec {
  return {
    container: {
      ...{ image, labels: {}, command: [], hostname: "", env: [], dir: "", user: "", groups: [] },
      args: script === undefined ? [] : ["sh", "-c", script],
      ...{ tty: false, openStdin: false, readOnly: false, stopSignal: "", mounts: [], hosts },
      dns: { nameservers: [], search: [], options: [] },
      ...{ capabilityAdd: [], capabilityDrop: [], sysctls: {}, ulimits: [], oomScoreAdj: 0, stopGraceMs: 0 },
    },
    domainname: "",
    resources: {
      limits: { nanoCpus: 0, memoryBytes: 0, pids: 0 },
      reservations: { nanoCpus: 0, memoryBytes: 0, generic: [] },
    },
    log: { name: "", options: {} },
    networkMode: "default",
    networks: [{ ref: "bridge", aliases: [] }],
    ...{ ports: [], publishAll: false, exposed: [] },
    restart: { name: "no", most: 0 },
    ...{ autoRemove: false, stdinOnce: false, attach: { stdin: false, stdout: false, stderr: false } },
    ...over,
  };
}
