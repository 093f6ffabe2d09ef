import { expect } from "vitest";
import {
  cgroup,
  command,
  cpuLimit,
  dns,
  environment,
  file,
  health,
  healthWords,
  hostLine,
  image,
  labels,
  link,
  logDriver,
  logFiles,
  may,
  mount,
  proc,
  resolver,
  type Seen,
  spec,
  texts,
  ulimit,
  whoIs,
} from "./flag-looks.ts";
import { until } from "./until.ts";

/** What some flags did: their long names, where it is seen, and what is there. */
export type Row = readonly [flags: string, see: (seen: Seen) => unknown, expected: unknown];

/** One command on the service: `docker service create WORDS IMAGE ARGS`, or `docker service update WORDS`. */
export interface Stage {
  readonly words: string;
  readonly rows: readonly Row[];
}

/** A service of one task from its making on. */
export interface Story {
  readonly name: string;
  readonly create: Stage;
  /** What follows the image; without, a long sleep. */
  readonly args?: string;
  readonly updates: readonly Stage[];
}

const SECOND = 1_000_000_000;
const MIB = 1 << 20;

const WORDS: Story = {
  name: "words",
  args: "-c 'sleep 1000; :'",
  create: {
    words:
      "--label tier=front -l a=b --container-label tier=front --container-label role=x --no-resolve-image -e A=1 --env B=2 --env-file ENV_FILE --entrypoint '/bin/sh -e' -w /w -u 1000:1001 --group 10 -t --hostname web --host db:10.0.0.9",
    rows: [
      ["--label", (seen) => seen.spec.Labels, { tier: "front", a: "b" }],
      ["--container-label", labels, ["role=x", "tier=front"]],
      ["--no-resolve-image", image, "busybox:latest"],
      ["--env --env-file", environment, ["A=1", "B=2", "FROM_FILE=yes"]],
      ["--entrypoint", command, ["/bin/sh", "-e", "-c", "sleep 1000; :"]],
      ["--workdir", (seen) => link(seen, "cwd"), "/w"],
      ["--user --group", whoIs, "1000 1001 10,1001"],
      ["--tty", (seen) => link(seen, "fd/0"), "/dev/pts/0"],
      ["--hostname", (seen) => file(seen, "/etc/hostname"), "web\n"],
      ["--host", (seen) => hostLine(seen, "db"), "10.0.0.9\tdb"],
    ],
  },
  updates: [
    {
      words:
        "--label-add a=c --label-rm tier --container-label-add role=y --container-label-rm tier --image shoal/probe --with-registry-auth --args 2000 --entrypoint /bin/sleep --workdir /v -u nobody --group-add 20 --group-rm 10 --tty=false --env-add C=3 --env-rm A --env-rm FROM_FILE --hostname cache --host-add cache:10.0.0.8 --host-rm db:10.0.0.9",
      rows: [
        ["--label-add --label-rm", (seen) => seen.spec.Labels, { a: "c" }],
        ["--container-label-add --container-label-rm", labels, ["role=y"]],
        ["--image", (seen) => file(seen, "/probe.pl"), expect.stringContaining("hostname")],
        ["--with-registry-auth", image, expect.stringMatching(/^shoal\/probe:latest@sha256:[0-9a-f]{64}$/)],
        ["--entrypoint --args", command, ["/bin/sleep", "2000"]],
        ["--workdir", (seen) => link(seen, "cwd"), "/v"],
        ["--user --group-add --group-rm", whoIs, "65534 65534 20,65534"],
        ["--tty", (seen) => link(seen, "fd/0"), "/dev/null"],
        ["--env-add --env-rm", environment, ["B=2", "C=3"]],
        ["--hostname", (seen) => file(seen, "/etc/hostname"), "cache\n"],
        ["--host-add", (seen) => file(seen, "/etc/hosts"), expect.stringMatching(/^10\.0\.0\.8\tcache$/m)],
        ["--host-rm", (seen) => hostLine(seen, "db"), undefined],
      ],
    },
    {
      words: "--image busybox --no-resolve-image",
      rows: [["--image --no-resolve-image", image, "busybox:latest"]],
    },
    {
      words: "--rollback",
      rows: [["--rollback", (seen) => file(seen, "/probe.pl"), expect.stringContaining("hostname")]],
    },
    { words: "--force", rows: [["--force", (seen) => seen.spec.TaskTemplate.ForceUpdate, 1]] },
  ],
};

const LIMITS: Story = {
  name: "limits",
  create: {
    words:
      "--limit-cpu 0.5 --limit-memory 64m --limit-pids 100 --reserve-cpu 0.25 --reserve-memory 32m --generic-resource gpu=1 --cap-add NET_ADMIN --cap-drop MKNOD --ulimit nofile=1024:2048 --ulimit core=0 --sysctl net.core.somaxconn=1024 --oom-score-adj 100 --init --stop-signal SIGINT --stop-grace-period 3s --isolation default",
    rows: [
      ["--limit-cpu", cpuLimit, 0.5],
      [
        "--limit-memory",
        (seen) => cgroup(seen, "memory/memory.limit_in_bytes", "memory.max"),
        String(64 * MIB),
      ],
      ["--limit-pids", (seen) => cgroup(seen, "pids/pids.max", "pids.max"), "100"],
      [
        "--reserve-cpu --reserve-memory",
        (seen) => seen.spec.TaskTemplate.Resources.Reservations,
        expect.objectContaining({ NanoCPUs: 250_000_000, MemoryBytes: 32 * MIB }),
      ],
      [
        "--reserve-memory",
        (seen) => cgroup(seen, "memory/memory.soft_limit_in_bytes", "memory.low"),
        String(32 * MIB),
      ],
      [
        "--generic-resource",
        (seen) => proc(seen, "environ"),
        expect.stringMatching(/\0DOCKER_RESOURCE_GPU=uuid-[12]\0/),
      ],
      ["--cap-add --cap-drop", may, { NET_ADMIN: true, SYS_TIME: false, MKNOD: false }],
      [
        "--ulimit",
        (seen) => [ulimit(seen, "open files"), ulimit(seen, "core file size")],
        ["1024 2048", "0 0"],
      ],
      ["--sysctl", (seen) => seen.run("cat", "/proc/sys/net/core/somaxconn"), "1024\n"],
      ["--oom-score-adj", (seen) => proc(seen, "oom_score_adj"), "100\n"],
      ["--init", (seen) => command(seen).slice(0, 3), ["/sbin/docker-init", "--", "sleep"]],
      ["--stop-signal", (seen) => seen.container.Config.StopSignal, "SIGINT"],
      ["--stop-grace-period", (seen) => spec(seen)["StopGracePeriod"], 3 * SECOND],
      ["--isolation", (seen) => spec(seen)["Isolation"], "default"],
    ],
  },
  updates: [
    {
      words:
        "--limit-cpu 1 --limit-memory 128m --limit-pids 0 --reserve-cpu 0.5 --reserve-memory 16m --generic-resource-add ssd=1 --generic-resource-rm gpu --cap-add SYS_TIME --cap-drop NET_ADMIN --ulimit-add nproc=500:600 --ulimit-rm nofile --sysctl-add net.ipv4.ping_group_range='5 6' --sysctl-rm net.core.somaxconn --oom-score-adj 200 --init=false --stop-signal SIGTERM --stop-grace-period 20s",
      rows: [
        ["--limit-cpu", cpuLimit, 1],
        [
          "--limit-memory",
          (seen) => cgroup(seen, "memory/memory.limit_in_bytes", "memory.max"),
          String(128 * MIB),
        ],
        ["--limit-pids", (seen) => cgroup(seen, "pids/pids.max", "pids.max"), "max"],
        [
          "--reserve-cpu --reserve-memory",
          (seen) => seen.spec.TaskTemplate.Resources.Reservations,
          expect.objectContaining({ NanoCPUs: 500_000_000, MemoryBytes: 16 * MIB }),
        ],
        [
          "--generic-resource-add --generic-resource-rm",
          (seen) => texts(proc(seen, "environ")).filter((text) => text.startsWith("DOCKER_RESOURCE_")),
          ["DOCKER_RESOURCE_SSD=1"],
        ],
        ["--cap-add --cap-drop", may, { NET_ADMIN: false, SYS_TIME: true, MKNOD: false }],
        ["--ulimit-add", (seen) => ulimit(seen, "processes"), "500 600"],
        ["--ulimit-rm", (seen) => ulimit(seen, "open files"), expect.not.stringMatching(/^1024 2048$/)],
        ["--sysctl-add", (seen) => seen.run("cat", "/proc/sys/net/ipv4/ping_group_range"), "5\t6\n"],
        [
          "--sysctl-rm",
          (seen) => seen.run("cat", "/proc/sys/net/core/somaxconn"),
          expect.not.stringMatching(/^1024$/),
        ],
        ["--oom-score-adj", (seen) => proc(seen, "oom_score_adj"), "200\n"],
        ["--init", (seen) => command(seen).slice(0, 1), ["sleep"]],
        ["--stop-signal", (seen) => seen.container.Config.StopSignal, "SIGTERM"],
        ["--stop-grace-period", (seen) => spec(seen)["StopGracePeriod"], 20 * SECOND],
      ],
    },
  ],
};

const FILES: Story = {
  name: "files",
  create: {
    words:
      "--mount type=bind,src=BIND_FOLDER,dst=/srv,readonly --mount type=volume,src=data-{{.Task.Slot}},dst=/data --mount type=tmpfs,dst=/run/x,tmpfs-size=1m,tmpfs-mode=1777 --read-only --hostname {{.Service.Name}}-{{.Task.Slot}} --dns 9.9.9.9 --dns-option ndots:2 --dns-search example.org --with-registry-auth",
    rows: [
      ["--mount", (seen) => mount(seen, "/srv"), expect.stringMatching(/^ro,/)],
      ["--mount", (seen) => file(seen, "/srv/env"), "# comment\nFROM_FILE=yes\n"],
      ["--mount", (seen) => mount(seen, "/data"), expect.stringMatching(/^rw,/)],
      ["--mount", (seen) => mount(seen, "/run/x"), expect.stringMatching(/^rw,.* .*size=1024k/)],
      ["--mount", (seen) => seen.run("stat", "-c", "%a", "/run/x"), "1777\n"],
      ["--read-only", (seen) => mount(seen, "/"), expect.stringMatching(/^ro,/)],
      ["--hostname", (seen) => file(seen, "/etc/hostname"), "files-1\n"],
      ["--dns", dns, expect.objectContaining({ Nameservers: ["9.9.9.9"] })],
      [
        "--dns-option --dns-search",
        resolver,
        ["search example.org", expect.stringMatching(/^options .*ndots:2/)],
      ],
      // Credentials are never shown; without any on this machine none are sent. What they do: test/runtime/registry.test.ts.
      ["--with-registry-auth", image, expect.stringMatching(/^busybox:latest@sha256:/)],
    ],
  },
  updates: [
    {
      words:
        "--mount-add type=volume,src=more,dst=/more --mount-rm /srv --read-only=false --hostname {{.Node.Hostname}} --dns-add 1.1.1.1 --dns-rm 9.9.9.9 --dns-option-add timeout:1 --dns-option-rm ndots:2 --dns-search-add example.net --dns-search-rm example.org",
      rows: [
        ["--mount-add", (seen) => mount(seen, "/more"), expect.stringMatching(/^rw,/)],
        ["--mount-rm", (seen) => mount(seen, "/srv"), undefined],
        ["--read-only", (seen) => mount(seen, "/"), expect.stringMatching(/^rw,/)],
        ["--hostname", (seen) => file(seen, "/etc/hostname"), expect.stringMatching(/^t-flags-\w+-[123]\n$/)],
        ["--dns-add --dns-rm", dns, expect.objectContaining({ Nameservers: ["1.1.1.1"] })],
        [
          "--dns-option-add --dns-option-rm --dns-search-add --dns-search-rm",
          resolver,
          ["search example.net", expect.stringMatching(/^options (?!.*ndots:2).*timeout:1/)],
        ],
      ],
    },
  ],
};

const HEALTH: Story = {
  name: "health",
  create: {
    words:
      "--health-cmd 'echo fine' --health-interval 1s --health-timeout 2s --health-retries 4 --health-start-period 10s --health-start-interval 200ms",
    rows: [
      ["--health-cmd", health, ["healthy", "fine\n"]],
      [
        "--health-interval --health-timeout --health-retries --health-start-period --health-start-interval",
        healthWords,
        {
          Test: ["CMD-SHELL", "echo fine"],
          Interval: SECOND,
          Timeout: 2 * SECOND,
          Retries: 4,
          StartPeriod: 10 * SECOND,
          StartInterval: SECOND / 5,
        },
      ],
    ],
  },
  updates: [
    {
      words:
        "--health-cmd 'echo well' --health-interval 2s --health-timeout 3s --health-retries 5 --health-start-period 11s --health-start-interval 100ms",
      rows: [
        ["--health-cmd", health, ["healthy", "well\n"]],
        [
          "--health-interval --health-timeout --health-retries --health-start-period --health-start-interval",
          healthWords,
          {
            Test: ["CMD-SHELL", "echo well"],
            Interval: 2 * SECOND,
            Timeout: 3 * SECOND,
            Retries: 5,
            StartPeriod: 11 * SECOND,
            StartInterval: SECOND / 5, // which CLI 28 does not send on an update
          },
        ],
      ],
    },
    { words: "--no-healthcheck", rows: [["--no-healthcheck", health, [undefined, undefined]]] },
  ],
};

const UNCHECKED: Story = {
  name: "unchecked",
  create: { words: "--no-healthcheck", rows: [["--no-healthcheck", healthWords, { Test: ["NONE"] }]] },
  updates: [
    {
      words: "--health-cmd 'echo yes' --health-interval 300ms",
      rows: [["--health-cmd --health-interval", health, ["healthy", "yes\n"]]],
    },
  ],
};

const LOGS: Story = {
  name: "logs",
  args: "sh -c 'i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; exec sleep 1000'",
  create: {
    words: "--log-driver json-file --log-opt max-size=1k --log-opt max-file=2",
    rows: [
      [
        "--log-driver --log-opt",
        logDriver,
        { Type: "json-file", Config: { "max-size": "1024", "max-file": "2" } },
      ],
      [
        "--log-opt",
        (seen) => until(() => logFiles(seen) === 2).then(() => seen.logs()),
        expect.stringContaining("line 199"),
      ],
      ["--log-opt", (seen) => seen.logs(), expect.not.stringContaining("line 0\n")],
    ],
  },
  updates: [
    {
      words: "--log-driver none",
      rows: [
        ["--log-driver", logDriver, { Type: "none", Config: {} }],
        [
          "--log-driver",
          (seen) => seen.logs(),
          expect.stringContaining("configured logging driver does not support reading"),
        ],
      ],
    },
    {
      words: "--log-driver json-file --log-opt max-size=2m",
      rows: [
        [
          "--log-driver --log-opt",
          logDriver,
          { Type: "json-file", Config: expect.objectContaining({ "max-size": String(2 * MIB) }) },
        ],
      ],
    },
  ],
};

/** Together with RULES and ELSEWHERE (test/e2e/flags.test.ts) all that `service create` and `service update` know. */
export const STORIES: readonly Story[] = [WORDS, LIMITS, FILES, HEALTH, UNCHECKED, LOGS];
