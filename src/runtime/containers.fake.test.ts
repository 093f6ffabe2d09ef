import { randomHex, seededRandom } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import type { ContainerConfig } from "./container.ts";
import { type ContainersHarness, containersContract } from "./containers.contract.ts";
import { FakeContainers } from "./containers.fake.ts";
import { containersLifeContract } from "./containers-life.contract.ts";
import { FakeImages } from "./images.fake.ts";
import { streamsContract } from "./streams.contract.ts";
import { treesContract } from "./trees.contract.ts";

const random = seededRandom(1);

const make = async (): Promise<ContainersHarness> => {
  const images = new FakeImages();
  images.publish("app:1");
  await images.pull("app:1");
  const containers = new FakeContainers({ images, clock: systemClock });
  return {
    containers,
    config: (script, more = {}): ContainerConfig => {
      const id = randomHex(random, 32);
      return {
        ...{ id, name: id.slice(0, 12), image: "app:1", hostname: id.slice(0, 12), labels: {}, netns: "" },
        ...(script !== undefined && { args: ["sh", "-c", script] }),
        ...{ env: [], groups: [], mounts: [], hosts: [], capAdd: [], capDrop: [], ulimits: [] },
        ...{ tty: false, openStdin: false, readOnly: false, sysctls: {}, resources: {} },
        dns: { nameservers: [], search: [], options: [] },
        ...{ logMaxBytes: 0, logMaxFiles: 1 },
        ...more,
      };
    },
    end: async () => containers.trees.close(),
  };
};

containersContract("FakeContainers", make);
containersLifeContract("FakeContainers", make);
streamsContract("FakeContainers", make);
treesContract("FakeContainers", make, ["created"]);
