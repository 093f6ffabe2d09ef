import fc from "fast-check";
import { expect, test } from "vitest";
import { type NodeNetwork, printNodeNetwork } from "../netstate/index.ts";
import { FakeKernel } from "./kernel.fake.ts";
import { anyNetwork } from "./networks.contract.ts";
import { countOf, planRound } from "./plan-round.ts";

/** Sysctls are never taken back, so they are compared where `wanted` names them. */
function seen(found: NodeNetwork, wanted: NodeNetwork): NodeNetwork {
  return {
    namespaces: Object.fromEntries(
      Object.entries(found.namespaces).map(([name, namespace]) => {
        const keys = Object.keys(wanted.namespaces[name]?.sysctls ?? {});
        const sysctls = Object.entries(namespace.sysctls).filter(([key]) => keys.includes(key));
        return [name, { ...namespace, sysctls: Object.fromEntries(sysctls) }];
      }),
    ),
  };
}

test("what equals the wanted needs no step", () => {
  fc.assert(
    fc.property(anyNetwork, (network) => {
      expect(countOf(planRound(new Map(Object.entries(network.namespaces)), network))).toBe(0);
    }),
  );
});

test("from any network to any other: applied, it is the wanted one, and nothing is left to do", async () => {
  await fc.assert(
    fc.asyncProperty(anyNetwork, anyNetwork, anyNetwork, async (one, two, three) => {
      const kernel = new FakeKernel();
      for (const wanted of [one, two, three]) {
        expect((await kernel.apply(wanted)).failures).toEqual([]);
        expect(printNodeNetwork(seen(kernel.machine.network(), wanted))).toBe(printNodeNetwork(wanted));
        expect(await kernel.apply(wanted)).toEqual({ failures: [], changes: 0 });
      }
    }),
  );
});
