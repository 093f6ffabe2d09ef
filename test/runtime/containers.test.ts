import { afterAll, beforeAll } from "vitest";
import { type ContainersHarness, containersContract } from "../../src/runtime/containers.contract.ts";
import { containersLifeContract } from "../../src/runtime/containers-life.contract.ts";
import { streamsContract } from "../../src/runtime/streams.contract.ts";
import { treesContract } from "../../src/runtime/trees.contract.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode } from "../support/test-containers.ts";

let containerd: TestContainerd;
let registry: TestRegistry;
beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));

const make = async (): Promise<ContainersHarness> => {
  const node = await openNode(containerd, registry, noVolumes);
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  return {
    containers: node.containers(),
    config: (script, more) => node.config(image, script, more),
    end: () => node.end(),
  };
};

containersContract("ContainerdContainers", make);
containersLifeContract("ContainerdContainers", make);
streamsContract("ContainerdContainers", make);
treesContract("ContainerdContainers", make, ["running", "stopped"]);
