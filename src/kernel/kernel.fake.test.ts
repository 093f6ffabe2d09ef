import { destinationKey, HOST, hexMark } from "../netstate/index.ts";
import { describeIpv6 } from "./ipv6.contract.ts";
import { describeIpvs, type IpvsUnderTest } from "./ipvs.contract.ts";
import { describeKernel } from "./kernel.contract.ts";
import { FakeKernel } from "./kernel.fake.ts";

const fresh = async (): Promise<IpvsUnderTest> => {
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
    clearIpvs: async (namespace) => {
      for (const { mark } of machine.read(namespace)?.ipvs?.services ?? [])
        machine.meddle(namespace, { op: "remove-service", mark });
    },
    destinations: async (namespace) => {
      const { ipvs, drained = [] } = machine.read(namespace) ?? {};
      const live = (ipvs?.services ?? []).flatMap(({ mark, destinations }) =>
        destinations.map((to) => `${hexMark(mark)} ${destinationKey(to)} 1`),
      );
      const idle = drained.map(
        ({ mark, destination }) => `${hexMark(mark)} ${destinationKey(destination)} 0`,
      );
      return ordered([...live, ...idle]);
    },
    dispose: async () => {},
  };
};

describeKernel("FakeKernel", fresh);
describeIpv6("FakeKernel", fresh);
describeIpvs("FakeKernel", fresh);
