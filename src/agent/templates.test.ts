import { expect, test } from "vitest";
import type { ContainerSpec } from "../model/index.ts";
import { aContainer, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import { expandTask } from "./templates.ts";

const node = { hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } };
const MOUNT = { source: "", target: "/data", readOnly: false } as const;
const VOLUME = {
  ...MOUNT,
  type: "volume",
  noCopy: false,
  labels: {},
  driver: "local",
  driverOptions: {},
} as const;

function expanded(words: Partial<ContainerSpec>): ContainerSpec {
  const container = { ...aContainer, ...words };
  const service = aService("web", { labels: { zone: "north" }, task: { ...aTaskSpec, container } });
  return expandTask(aTask(service, 2, { nodeId: "n1" }), node).spec.container;
}

test.each<[string, Partial<ContainerSpec>, Partial<ContainerSpec>]>([
  ["hostname", { hostname: "{{.Service.Name}}-{{.Task.Slot}}" }, { hostname: "web-2" }],
  ["values of the environment", { env: ["A={{.Node.Hostname}}={{.Task.ID}}"] }, { env: ["A=host-1=web-2"] }],
  [
    "not names of the environment",
    { env: ["{{.Task.ID}}=1", "{{.Task.ID}}"] },
    { env: ["{{.Task.ID}}=1", "{{.Task.ID}}"] },
  ],
  [
    "where a bind mount comes from and goes to",
    {
      mounts: [
        { ...MOUNT, type: "bind", source: "/srv/{{.Task.Slot}}", target: "/{{.Service.Labels.zone}}" },
      ],
    },
    { mounts: [{ ...MOUNT, type: "bind", source: "/srv/2", target: "/north" }] },
  ],
  [
    "a tmpfs",
    { mounts: [{ ...MOUNT, type: "tmpfs", target: "/{{.Node.ID}}" }] },
    { mounts: [{ ...MOUNT, type: "tmpfs", target: "/n1" }] },
  ],
  [
    "a volume, its labels and options",
    {
      mounts: [
        {
          ...VOLUME,
          source: "v-{{.Task.Slot}}",
          labels: { l: "{{.Task.Name}}" },
          driverOptions: { o: "x={{.Node.Platform.OS}}" },
        },
      ],
    },
    { mounts: [{ ...VOLUME, source: "v-2", labels: { l: "web.2.web-2" }, driverOptions: { o: "x=linux" } }] },
  ],
  [
    "nothing else",
    {
      command: ["{{.Task.ID}}"],
      args: ["{{.Task.ID}}"],
      labels: { l: "{{.Task.ID}}" },
      dir: "/{{.Task.ID}}",
    },
    {
      command: ["{{.Task.ID}}"],
      args: ["{{.Task.ID}}"],
      labels: { l: "{{.Task.ID}}" },
      dir: "/{{.Task.ID}}",
    },
  ],
])("%s", (_, words, told) => {
  expect(expanded(words)).toEqual({ ...aContainer, ...told });
});

test.each<[Partial<ContainerSpec>, string]>([
  [{ hostname: "{{.Nope}}" }, "expanding hostname failed: cannot expand template"],
  [
    { env: ["PASS=secret{{.Service.Labels.x}}"] },
    'expanding env PASS failed: cannot expand template "{{.Service.Labels.x}}": the service has no label "x"',
  ],
  [{ mounts: [{ ...VOLUME, source: "{{.Task" }] }, "expanding mounts failed: cannot read template"],
])("what cannot be expanded says where, and nobody's secrets", (words, why) => {
  expect(() => expanded(words)).toThrow(why);
  expect(() => expanded(words)).not.toThrow(/secret/);
});
