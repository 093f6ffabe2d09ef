import type { ClusterSketch } from "./network-facts.ts";

/** Two nodes, tasks of `vote` on both; `lonely` on another network; `outside` is no node. */
export const TALKERS: ClusterSketch = {
  nodes: 2,
  services: [
    {
      id: "vote",
      vip: 5,
      networks: ["ingress", "front"],
      ports: [
        { protocol: "tcp", published: 8080, target: 80 },
        { protocol: "udp", published: 8080, target: 80 },
      ],
    },
    { id: "echo", vip: 6, networks: ["front"] },
    {
      id: "void",
      vip: 7,
      networks: ["ingress", "front"],
      ports: [{ protocol: "tcp", published: 8081, target: 80 }],
    },
  ],
  tasks: [
    { id: "vote1111", node: 1, number: 21, networks: ["ingress", "front"], service: "vote" },
    { id: "vote2222", node: 2, number: 22, networks: ["ingress", "front"], service: "vote" },
    { id: "vote3333", node: 2, number: 23, networks: ["ingress", "front"], service: "vote" },
    { id: "client11", node: 1, number: 31, networks: ["front"], takes: false },
    { id: "echo1111", node: 2, number: 32, networks: ["front"], service: "echo" },
    {
      id: "lonely11",
      node: 1,
      number: 33,
      networks: ["back"],
      service: "lonely",
      hostPorts: [{ protocol: "tcp", published: 9000, target: 80 }],
    },
  ],
};

/** `vote`, by VIP and published, with so many tasks, by turns on two nodes. */
export function votes(count: number): ClusterSketch {
  return {
    nodes: 2,
    services: (TALKERS.services ?? []).filter(({ id }) => id === "vote"),
    tasks: Array.from({ length: count }, (_, i) => ({
      id: `vote000${i}`,
      node: 1 + (i % 2),
      number: 21 + i,
      networks: ["ingress", "front"] as const,
      service: "vote",
    })),
  };
}
