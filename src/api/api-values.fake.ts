import type { ContainerInfo, ImageInfo } from "./backends.ts";

/** A running task's container, with what a test cares about laid over. */
export function aContainerInfo(over: Partial<ContainerInfo> & { id: string; name: string }): ContainerInfo {
  return {
    labels: {},
    status: "running",
    pid: 4711,
    createdAt: 1_700_000_000_000,
    startedAt: 1_700_000_001_000,
    image: "redis:3.2",
    imageId: `sha256:${"1".repeat(64)}`,
    command: ["redis-server", "--save", "60 1"],
    mounts: [],
    logPath: `/var/lib/shoal/containers/${over.id}/log`,
    config: {
      hostname: over.id.slice(0, 12),
      env: ["A=1"],
      tty: false,
      openStdin: false,
      readOnly: false,
      netns: "/run/shoal/netns/x",
      capAdd: [],
      capDrop: [],
      sysctls: {},
      groups: [],
      hosts: [],
      ulimits: [],
      resources: {},
      logMaxBytes: 10_000_000,
      logMaxFiles: 3,
    },
    networks: [],
    hostPorts: [],
    ...over,
  };
}

export function anImage(over: Partial<ImageInfo> = {}): ImageInfo {
  return {
    id: `sha256:${"1".repeat(64)}`,
    target: `sha256:${"2".repeat(64)}`,
    repoTags: ["redis:3.2"],
    repoDigests: [`redis@sha256:${"2".repeat(64)}`],
    createdAt: 1_690_000_000_000,
    taggedAt: 1_700_000_000_000,
    sizeBytes: 76_000_000,
    platform: { architecture: "amd64", os: "linux" },
    labels: {},
    config: { Cmd: ["redis-server"], Env: ["PATH=/bin", "A=0"], ExposedPorts: { "6379/tcp": {} } },
    layers: [`sha256:${"3".repeat(64)}`],
    layerBytes: [76_000_000],
    history: [
      { created: "2023-07-21T00:00:00Z", created_by: "COPY files", comment: "base" },
      { created: "2023-07-22T00:00:00Z", created_by: "CMD redis-server", empty_layer: true },
    ],
    ...over,
  };
}
