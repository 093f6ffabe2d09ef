import { unlinkSync } from "node:fs";
import type { Kernel } from "../../src/kernel/index.ts";
import { describeIpv6 } from "../../src/kernel/ipv6.contract.ts";
import { describeKernel, type KernelUnderTest } from "../../src/kernel/kernel.contract.ts";
import { listPinned } from "../../src/kernel/netns.ts";
import { HOST } from "../../src/netstate/index.ts";
import { execOk } from "../../src/sys/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

const ordered = (names: readonly string[]) => [...names].sort((a, b) => (a < b ? -1 : 1));

const freshWith = (kernelOf: (host: TestHost) => Kernel) => async (): Promise<KernelUnderTest> => {
  const host = await makeTestHost();
  const at = (namespace: string) => (namespace === HOST ? undefined : namespace);
  return {
    kernel: kernelOf(host),
    successor: () => kernelOf(host),
    removeLink: async (namespace, name) => {
      await host.run(["ip", "link", "delete", name], at(namespace));
    },
    removeTable: async (namespace, name) => {
      await host.run(["nft", "delete", "table", "ip", name], at(namespace));
    },
    removeRoute: async (namespace, destination, link) => {
      await host.run(["ip", "route", "delete", destination, "dev", link], at(namespace));
    },
    removeNamespace: async (namespace) => {
      await execOk(["umount", "-l", host.path(namespace)]);
      unlinkSync(host.path(namespace));
    },
    links: async (namespace) => {
      const links: { ifname: string }[] = JSON.parse(await host.run(["ip", "-j", "link"], at(namespace)));
      return ordered(links.map(({ ifname }) => ifname).filter((name) => name !== "lo"));
    },
    namespaces: async () => ordered(listPinned(host.folder)),
    dispose: () => host.dispose(),
  };
};

const KERNELS: Readonly<Record<string, (host: TestHost) => Kernel>> = {
  LinuxKernel: (host) => host.kernel(),
  ThreadKernel: (host) => host.threadKernel(),
};
for (const [name, kernelOf] of Object.entries(KERNELS)) {
  describeKernel(name, freshWith(kernelOf));
  describeIpv6(name, freshWith(kernelOf));
}
