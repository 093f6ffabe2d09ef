import { expect, test } from "vitest";
import type { Balancing } from "./balancer.ts";
import { ipvsBalancer } from "./ipvs-balancer.ts";
import { nftBalancer } from "./nft-balancer.ts";

const port = (protocol: "tcp" | "udp" | "sctp", published: number, backends: readonly string[]) => ({
  serviceId: `s${published}`,
  port: { protocol, published, target: 80 },
  link: "sh-up",
  address: "172.18.0.6",
  backends: backends.map((address) => ({ address, port: 80 })),
});

const wanted: Balancing = {
  table: "sh-lb",
  address: "10.0.1.201",
  subnets: ["10.0.1.0/24"],
  virtual: [
    { serviceId: "vote", vip: "10.0.1.5", backends: ["10.0.1.21", "10.0.1.22"] },
    { serviceId: "void", vip: "10.0.1.7", backends: [] },
  ],
  published: [port("tcp", 8080, ["10.0.0.21"]), port("udp", 8080, ["10.0.0.21"]), port("sctp", 9000, [])],
  tasks: ["10.0.1.21"],
};

test("all that is marked has its own service, and a service's name is marked for nothing else", () => {
  const { tables, ipvs } = ipvsBalancer(wanted);
  const marks = tables.flatMap(({ maps }) => maps.flatMap(({ elements }) => Object.values(elements)));
  const services = new Map(ipvs?.services.map((service) => [service.mark, service]));
  expect(new Set(marks).size).toBe(marks.length);
  expect(services.size).toBe(7);
  for (const mark of marks) expect(services.get(Number(mark))?.destinations.length).toBeGreaterThan(0);
  // No mark of the mesh: those begin at 0x10000 and are a place in a subnet.
  for (const mark of services.keys()) expect(mark).toBeGreaterThan(0x3fff_ffff);
});

test("a VIP or port without tasks is marked for nobody; its service stays, for what drains", () => {
  const { tables, ipvs, addresses } = ipvsBalancer(wanted);
  const words = JSON.stringify(tables);
  expect(words).not.toContain("10.0.1.7");
  expect(words).not.toContain("9000");
  expect(addresses).toContainEqual({ link: "lo", address: "10.0.1.7/32" });
  expect(ipvs?.services.filter(({ destinations }) => destinations.length === 0)).toHaveLength(3);
});

test("UDP does not drain, all else does", () => {
  const drains = ipvsBalancer(wanted).ipvs?.services.map((service) => service.drains);
  expect(drains).toEqual([true, false, true, false, true, false, true]);
});

test("a VIP keeps the client's port, a published port leads to the task's", () => {
  const ports = ipvsBalancer(wanted).ipvs?.services.flatMap(({ destinations }) =>
    destinations.map((to) => to.port),
  );
  expect(ports).toEqual([0, 0, 0, 0, 80, 80]);
});

test("the network's scheduler is every service's", () => {
  const schedulers = ipvsBalancer({ ...wanted, scheduler: "lc" }).ipvs?.services.map((s) => s.scheduler);
  expect(new Set(schedulers)).toEqual(new Set(["lc"]));
});

test("VIPs that end alike, in several subnets, have marks of their own; those of one subnet keep theirs", () => {
  const at = (vip: string) => ({ serviceId: vip, vip, backends: ["10.0.1.21"] });
  const virtual = ["10.0.1.5", "172.0.1.5", "192.0.1.5"].map(at);
  const subnets = ["10.0.1.0/24", "10.9.0.0/24", "172.0.1.0/24", "192.0.1.0/24"];
  const marksOf = (of: Balancing) => ipvsBalancer(of).ipvs?.services.map(({ mark }) => mark) ?? [];
  const marks = marksOf({ ...wanted, subnets, virtual });
  expect(new Set(marks).size).toBe(virtual.length * 2 + wanted.published.length);
  expect(marks.slice(0, 2)).toEqual(marksOf(wanted).slice(0, 2));
  const many: Balancing = { ...wanted, subnets: Array.from({ length: 9 }, (_, i) => `${i + 10}.0.0.0/24`) };
  expect(ipvsBalancer(many)).toEqual(nftBalancer(many));
});

test("IPv6 is nftables'", () => {
  const six: Balancing = { ...wanted, family: "ip6", virtual: [], published: [] };
  expect(ipvsBalancer(six)).toEqual(nftBalancer(six));
});
