import fc from "fast-check";
import { expect, test } from "vitest";
import { contains, parseIpv4, requireCidr } from "../lib/index.ts";
import { GatewayAddresses } from "./gateway-addresses.ts";

test("a task keeps its address; a freed one comes back last", () => {
  const addresses = new GatewayAddresses("172.18.0.0/27");
  expect(addresses.give("a")).toBe("172.18.0.16");
  expect(addresses.give("b")).toBe("172.18.0.17");
  expect(addresses.give("a")).toBe("172.18.0.16");
  addresses.release("a");
  expect(addresses.give("c")).toBe("172.18.0.18");
});

test("when all are taken it says so, and a freed one is found", () => {
  const addresses = new GatewayAddresses("172.18.0.0/27");
  for (let i = 0; i < 15; i++) addresses.give(`t${i}`);
  expect(() => addresses.give("more")).toThrow("the gateway bridge has no free address");
  addresses.release("t3");
  expect(addresses.give("more")).toBe("172.18.0.19");
});

const steps = fc.array(
  fc.record({
    does: fc.constantFrom("give", "release", "adopt"),
    task: fc.nat(20),
    at: fc.integer({ min: 16, max: 30 }),
  }),
);

test("no two tasks have one address, and all are the subnet's, past the node's own, before broadcast", () => {
  const subnet = requireCidr("172.18.0.0/27");
  fc.assert(
    fc.property(steps, (all) => {
      const addresses = new GatewayAddresses("172.18.0.0/27");
      const held = new Map<string, string>();
      for (const { does, task, at } of all) {
        const id = `t${task}`;
        if (does === "release") {
          addresses.release(id);
          held.delete(id);
        } else if (does === "adopt" && ![...held.values()].includes(`172.18.0.${at}`)) {
          addresses.adopt(id, `172.18.0.${at}`);
          held.set(id, `172.18.0.${at}`);
        } else if (does === "give" && (held.has(id) || held.size < 15)) held.set(id, addresses.give(id));
      }
      expect(new Set(held.values()).size).toBe(held.size);
      for (const address of held.values()) {
        const number = parseIpv4(address) ?? 0;
        expect(contains(subnet, number)).toBe(true);
        expect(number - subnet.base).toBeGreaterThanOrEqual(16);
        expect(number - subnet.base).toBeLessThan(31);
      }
    }),
  );
});
