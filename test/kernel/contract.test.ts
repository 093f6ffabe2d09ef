import { unlinkSync } from "node:fs";
import { hasIpvs, type Kernel } from "../../src/kernel/index.ts";
import { describeIpv6 } from "../../src/kernel/ipv6.contract.ts";
import { describeIpvs, type IpvsUnderTest } from "../../src/kernel/ipvs.contract.ts";
import { describeKernel } from "../../src/kernel/kernel.contract.ts";
import { listPinned } from "../../src/kernel/netns.ts";
import { HOST, hexMark } from "../../src/netstate/index.ts";
import { execOk } from "../../src/sys/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

const ordered = (names: readonly string[]) => [...names].sort((a, b) => (a < b ? -1 : 1));

const freshWith = (kernelOf: (host: TestHost) => Kernel) => async (): Promise<IpvsUnderTest> => {
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
    clearIpvs: async (namespace) => {
      await host.run(["ipvsadm", "-C"], at(namespace));
    },
    destinations: async (namespace) => {
      // Lines like "-a -f 7 -r 10.0.1.21:80 -m -w 1"
      const rules = await host.run(["ipvsadm", "-S", "-n"], at(namespace));
      const rows = [...rules.matchAll(/^-a -f (\d+) -r (\S+) -m -w (\d+)/gm)];
      return ordered(rows.map(([, mark, to, weight]) => `${hexMark(Number(mark))} ${to} ${weight}`));
    },
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
  // In the VM lane; test/vm/guest.test.ts asks that it is there.
  if (hasIpvs()) describeIpvs(name, freshWith(kernelOf));
}
