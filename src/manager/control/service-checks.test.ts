import { describe, expect, test } from "vitest";
import { HOST_NETWORK, type PortSpec, type ServiceSpec } from "../../model/index.ts";
import { aCluster, aNetwork, aNode, aService, aTaskSpec } from "../../model/objects.fake.ts";
import { viewOf } from "../../store/index.ts";
import { checkSpec } from "./service-checks.ts";

const ARG = "rpc error: code = InvalidArgument desc = ";
const ingress = aNetwork("ingress", { ingress: true });

const port = (published: number, publishMode: PortSpec["publishMode"], more: Partial<PortSpec> = {}) => ({
  name: "",
  protocol: "tcp" as const,
  target: 80,
  published,
  publishMode,
  ...more,
});
const at = (...ports: PortSpec[]): Partial<ServiceSpec> => ({ endpoint: { mode: "vip", ports } });

/** What is said to a service with these ports beside "other" with those. */
function said(own: PortSpec, others: PortSpec): string {
  const view = viewOf({ network: [ingress], service: [aService("other", at(others))] });
  try {
    checkSpec(view, aService("new", at(own)).spec, undefined);
    return "taken";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("published ports", () => {
  test.each([
    [port(80, "ingress"), port(80, "ingress"), "as an ingress port"],
    [port(80, "host"), port(80, "ingress"), "as an ingress port"],
    [port(80, "ingress"), port(80, "host"), "as a host-published port"],
  ])("%j beside %j is refused", (own, other, how) => {
    expect(said(own, other)).toBe(`${ARG}port '80' is already in use by service 'other' (svc-other) ${how}`);
  });

  test.each([
    [port(80, "host"), port(80, "host")],
    [port(80, "ingress"), port(81, "ingress")],
    [port(53, "ingress"), port(53, "ingress", { protocol: "udp" })],
    [port(0, "ingress"), port(0, "ingress")],
  ])("%j beside %j is taken", (own, other) => {
    expect(said(own, other)).toBe("taken");
  });

  test("one that the allocator gave is as taken as one that was asked for", () => {
    const spec = { mode: "vip", ports: [port(0, "ingress")] } as const;
    const endpoint = { spec, ports: [port(30000, "ingress")], vips: [] };
    const view = viewOf({
      network: [ingress],
      service: [aService("other", { endpoint: spec }, { endpoint })],
    });
    expect(() => checkSpec(view, aService("new", at(port(30000, "ingress"))).spec, undefined)).toThrow(
      "port '30000' is already in use",
    );
  });

  describe("that the cluster itself needs", () => {
    const manager = aNode("m", { role: "manager", managerAddress: "10.9.0.1:2377" });
    const view = viewOf({
      cluster: [aCluster({ dataPathPort: 4789 })],
      network: [ingress],
      node: [manager, aNode("w")],
    });
    const check = (own: PortSpec) => checkSpec(view, aService("new", at(own)).spec, undefined);
    const udp = { protocol: "udp" } as const;

    test.each([
      [port(2377, "ingress"), "manager port"],
      [port(4789, "ingress", udp), "data path port"],
      [port(4789, "host", udp), "data path port"],
      [port(4790, "ingress", udp), "data path port of encrypted networks"],
    ])("%j is refused", (own, what) => {
      expect(() => check(own)).toThrow(
        `${ARG}port '${own.published}' is already in use by the swarm as its ${what}`,
      );
    });

    test.each([
      port(4789, "ingress"),
      port(2377, "ingress", udp),
      // A node that is no manager has it free.
      port(2377, "host"),
    ])("%j is none of them", (own) => {
      expect(check(own).name).toBe("new");
    });
  });

  test("in the mesh need its network", () => {
    const view = viewOf({});
    expect(() => checkSpec(view, aService("new", at(port(0, "ingress"))).spec, undefined)).toThrow(
      "rpc error: code = FailedPrecondition desc = service needs ingress network, but no ingress network is present",
    );
    expect(checkSpec(view, aService("new", at(port(80, "host"))).spec, undefined)).toMatchObject({
      name: "new",
    });
  });
});

describe("networks that every node has of its own", () => {
  const view = viewOf({ network: [ingress, aNetwork("front")] });
  const on = (
    targets: readonly string[],
    more: Partial<ServiceSpec> = {},
    aliases: readonly string[] = [],
  ) => {
    const networks = targets.map((target) => ({ target, aliases }));
    return aService("new", { task: { ...aTaskSpec, networks }, ...more }).spec;
  };
  const targetsOf = (spec: ServiceSpec) =>
    checkSpec(view, spec, undefined).task.networks.map(({ target }) => target);

  test("are known by name and by id", () => {
    expect(targetsOf(on(["host"], at(port(80, "host"))))).toEqual([HOST_NETWORK.id]);
    expect(targetsOf(on([HOST_NETWORK.id]))).toEqual([HOST_NETWORK.id]);
    expect(targetsOf(on(["bridge"], at(port(80, "ingress"))))).toHaveLength(1);
    expect(() => targetsOf(on(["none"]))).toThrow("network none not found");
  });

  test.each([
    [on(["host", "front"]), "conflicting options: cannot attach both user-defined and non-user-defined"],
    [on(["front", "bridge"]), "conflicting options: cannot attach both user-defined and non-user-defined"],
    [
      on(["host"], {}, ["www"]),
      "network-scoped alias is supported only for containers in user defined networks",
    ],
    [on(["host"], at(port(80, "ingress"))), "publish with mode=host, or not at all"],
  ])("%#: what cannot be joined with them is refused", (spec, reason) => {
    expect(() => targetsOf(spec)).toThrow(reason);
  });
});
