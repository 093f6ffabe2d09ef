import { describe, expect, test } from "vitest";
import { ARG, C, type Refused, refusalOf, withField } from "./service-words.fake.ts";

const bind = (target: string, source = "/s") => ({ Type: "bind", Source: source, Target: target });
const volume = (source: string, target = "/v") => ({ Type: "volume", Source: source, Target: target });

const REFUSED: readonly Refused[] = [
  [`${C}.Foo`, 1, `invalid: invalid service spec: unknown field ${C}.Foo`],
  [`${C}.Image`, "", `${ARG}ContainerSpec: image reference must be provided`],
  [`${C}.Image`, "Nginx", `${ARG}ContainerSpec: "Nginx" is not a valid repository/tag`],
  [`${C}.Env`, ["=x"], "invalid: invalid environment variable: =x"],
  [`${C}.Env`, [""], "invalid: invalid environment variable: "],
  [`${C}.Hosts`, ["1.2.3.4"], 'invalid: invalid host "1.2.3.4": must be "ADDRESS NAME"'],
  [`${C}.StopGracePeriod`, -1e9, `${ARG}ContainerSpec: stop-grace-period cannot be negative`],
  [`${C}.Mounts`, [bind("relative")], "invalid: invalid mount target, must be an absolute path: relative"],
  [`${C}.Mounts`, [bind("/")], "invalid: invalid specification: destination can't be '/'"],
  [`${C}.Mounts`, [bind("/t", "s")], "invalid: invalid bind mount source, must be an absolute path: s"],
  [`${C}.Mounts`, [volume("/s")], "invalid: invalid volume mount source, must not be an absolute path: /s"],
  [
    `${C}.Mounts`,
    [volume("s")],
    "invalid: create s: volume name is too short, names should be at least two alphanumeric characters",
  ],
  [
    `${C}.Mounts`,
    [{ Type: "tmpfs", Source: "x", Target: "/t" }],
    "invalid: invalid tmpfs source, source must be empty",
  ],
  [`${C}.Mounts`, [bind("/t"), bind("/t", "/u")], `${ARG}ContainerSpec: duplicate mount point: /t`],
  [`${C}.Mounts`, [{ Type: "what", Target: "/t" }], 'invalid: invalid MountType: "what"'],
  [
    `${C}.Mounts`,
    [{ Type: "npipe", Target: "/t" }],
    "unsupported: cannot mount type=npipe: volumes, binds and tmpfs are the mounts that are served so far",
  ],
  [
    `${C}.Mounts`,
    [{ ...bind("/t"), BindOptions: { Propagation: "x" } }],
    'invalid: invalid MountPropagation: "x"',
  ],
  [
    `${C}.Mounts`,
    [{ ...volume("vol"), VolumeOptions: { DriverConfig: { Name: "nfs" } } }],
    "unsupported: cannot use volume-driver nfs: local is the one that is served",
  ],
  [
    `${C}.Mounts`,
    [volume("v".repeat(256))],
    `invalid: create ${"v".repeat(256)}: volume name is too long, at most 255 characters are allowed`,
  ],
  [`${C}.Secrets`, [{}, { SecretID: "x" }], `${ARG}malformed secret reference`],
  [
    `${C}.Secrets`,
    [{ SecretID: "x", SecretName: "x" }],
    `${ARG}malformed secret reference, no target provided`,
  ],
  [
    `${C}.Configs`,
    [{ ConfigID: "x", ConfigName: "x", File: {} }],
    `${ARG}malformed file config reference, invalid target file name provided`,
  ],
  [
    `${C}.Configs`,
    ["x", "y"].map((name) => ({ ConfigID: name, ConfigName: name, File: { Name: "/t" } })),
    `${ARG}config references 'x' and 'y' have a conflicting target: '/t'`,
  ],
  [
    `${C}.Secrets`,
    [{ SecretID: "x", SecretName: "x", File: { Name: "x", UID: "app" } }],
    'invalid: invalid owner "app" of a secret or config: must be a number',
  ],
  [
    `${C}.Configs`,
    [{ ConfigID: "x", ConfigName: "x", Runtime: { a: 1 } }],
    "unsupported: cannot use this config: credential specs are Windows'",
  ],
  [
    `${C}.Mounts`,
    [volume("a b-{{.Task.Slot}}")],
    'invalid: create a b-x: "a b-x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  ],
  [`${C}.Isolation`, "hyperv", "invalid: invalid isolation 'hyperv' on linux"],
  [`${C}.Hosts`, ["nowhere web"], 'invalid: invalid IP address in host: "nowhere"'],
  [
    `${C}.Hosts`,
    ["host-gateway host"],
    'unsupported: cannot use host "host-gateway host": host-gateway is not supported yet',
  ],
  [
    `${C}.DNSConfig`,
    { Nameservers: ["8.8.8.8", "dns.example"] },
    'invalid: invalid nameserver "dns.example": must be an IP address',
  ],
  [`${C}.Ulimits`, [{ Name: "as", Soft: 1, Hard: 1 }], "invalid: invalid ulimit type: as"],
  [
    `${C}.Ulimits`,
    [{ Name: "nofile", Soft: 2, Hard: 1 }],
    "invalid: ulimit soft limit must be less than or equal to hard limit: 2 > 1",
  ],
  [
    `${C}.Ulimits`,
    [{ Name: "nofile", Soft: -1, Hard: 1 }],
    "invalid: ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1",
  ],
  [`${C}.OomScoreAdj`, 1001, "invalid: Invalid value 1001, range for oom score adj is [-1000, 1000]"],
  [
    `${C}.Healthcheck`,
    { Interval: 999_999 },
    `${ARG}ContainerSpec: Interval in HealthConfig cannot be less than 1ms`,
  ],
  [
    `${C}.Healthcheck`,
    { Timeout: -1 },
    `${ARG}ContainerSpec: Timeout in HealthConfig cannot be less than 1ms`,
  ],
  [
    `${C}.Healthcheck`,
    { StartPeriod: 1 },
    `${ARG}ContainerSpec: StartPeriod in HealthConfig cannot be less than 1ms`,
  ],
  [
    `${C}.Healthcheck`,
    { StartInterval: 1 },
    `${ARG}ContainerSpec: StartInterval in HealthConfig cannot be less than 1ms`,
  ],
  [`${C}.Healthcheck`, { Retries: -1 }, `${ARG}ContainerSpec: Retries in HealthConfig cannot be negative`],
  [`${C}.Healthcheck`, { Test: ["true"] }, "invalid: Unknown healthcheck type 'true' (expected 'CMD')"],
  [`${C}.Healthcheck`, { Test: ["CMD"] }, "invalid: invalid healthcheck: CMD without a command"],
  [
    `${C}.Privileges`,
    { CredentialSpec: { File: "x" } },
    "unsupported: cannot use --credential-spec: it names a managed service account of Windows, and nodes run Linux",
  ],
  [
    `${C}.Privileges`,
    { SELinuxContext: { Disable: true } },
    "unsupported: cannot use Privileges.SELinuxContext: nodes give processes and files no SELinux labels",
  ],
  [`${C}.Privileges`, { Seccomp: { Mode: "off" } }, 'invalid: invalid seccomp mode: "off"'],
  [`${C}.Privileges`, { AppArmor: { Mode: "off" } }, 'invalid: invalid AppArmor mode: "off"'],
  [
    `${C}.Privileges`,
    { Seccomp: { Mode: "unconfined", Profile: "e30=" } },
    "invalid: invalid seccomp profile: mode unconfined takes none",
  ],
  ...["", "?", "e30=", "bnVsbA=="].map(
    (Profile): Refused => [
      `${C}.Privileges`,
      { Seccomp: { Mode: "custom", Profile } },
      "invalid: invalid seccomp profile: must be base64 of a JSON object with a defaultAction",
    ],
  ),
];

test.each(REFUSED)("%s = %j is refused", (path, value, refusal) => {
  expect(refusalOf(withField(path, value))).toBe(refusal);
});

test.each<[path: string, value: unknown]>([
  [`${C}.Hostname`, "{{.Node.Name}}"],
  [`${C}.Env`, ["A={{"]],
  [`${C}.Mounts`, [bind("/t", "/{{.Task}")]],
  [`${C}.Mounts`, [{ ...volume("vol"), VolumeOptions: { Labels: { a: "{{nothing}}" } } }]],
])("a template that can never be expanded, %s = %j, is refused", (path, value) => {
  expect(refusalOf(withField(path, value))).toMatch(/^invalid: cannot (read|expand) template "/);
});

describe("is taken", () => {
  const custom = btoa(JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" }));
  test.each<[path: string, value: unknown]>([
    [`${C}.Secrets`, []],
    [`${C}.Configs`, null],
    [`${C}.Healthcheck`, {}],
    [`${C}.Healthcheck`, { Test: ["NONE"] }],
    [`${C}.Healthcheck`, { Test: ["CMD-SHELL", "true"], Interval: 1e6, Retries: 3 }],
    [`${C}.Privileges`, { CredentialSpec: null, SELinuxContext: null }],
    [`${C}.Privileges`, { SELinuxContext: { Disable: false, User: "" }, NoNewPrivileges: true }],
    [`${C}.Privileges`, { Seccomp: { Mode: "custom", Profile: custom }, AppArmor: { Mode: "disabled" } }],
    [`${C}.Env`, null],
    [`${C}.Env`, ["{{A=1", "B={{.Task.Slot}}"]],
    [`${C}.Hostname`, "{{.Service.Name}}-{{.Task.Slot}}"],
    [`${C}.Mounts`, [volume("data-{{.Task.Slot}}", "/{{.Service.Labels.dir}}/x")]],
    [`${C}.Mounts`, [bind("/x", "{{.Service.Labels.dir}}")]],
    [`${C}.Isolation`, ""],
    [`${C}.Isolation`, "default"],
    [`${C}.Hosts`, ["::1 a b"]],
    [`${C}.Ulimits`, [{ Name: "core", Soft: 1, Hard: -1 }]],
    [`${C}.Ulimits`, [{ Name: "core", Soft: -1, Hard: -1 }]],
    [`${C}.Mounts`, [{ ...bind("/t"), Consistency: "default", BindOptions: { Propagation: "private" } }]],
  ])("%s = %j", (path, value) => {
    expect(refusalOf(withField(path, value))).toBe("taken");
  });
});
