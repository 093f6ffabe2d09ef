import { HOST } from "../netstate/index.ts";
import { describeIpv6 } from "./ipv6.contract.ts";
import { describeKernel, type KernelUnderTest } from "./kernel.contract.ts";
import { FakeKernel } from "./kernel.fake.ts";

const fresh = async (): Promise<KernelUnderTest> => {
  const kernel = new FakeKernel();
  const { machine } = kernel;
  const ordered = (names: readonly string[]) => [...names].sort((a, b) => (a < b ? -1 : 1));
  return {
    kernel,
    successor: () => new FakeKernel(machine),
    removeLink: async (namespace, name) =>
      machine.meddle(namespace, { op: "remove-link", name, again: false }),
    removeTable: async (namespace, name) =>
      machine.meddle(namespace, { op: "remove-table", table: { family: "ip", name } }),
    removeRoute: async (namespace, destination, link) =>
      machine.meddle(namespace, { op: "remove-route", route: { destination, link } }),
    removeNamespace: async (namespace) => machine.remove(namespace),
    links: async (namespace) => ordered(machine.read(namespace)?.links.map((link) => link.name) ?? []),
    namespaces: async () => ordered(machine.names().filter((name) => name !== HOST)),
    dispose: async () => {},
  };
};

describeKernel("FakeKernel", fresh);
describeIpv6("FakeKernel", fresh);
