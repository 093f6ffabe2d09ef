import type { ManagerBackend } from "../api/index.ts";
import { joinTokens, type Manager } from "../manager/index.ts";
import type { Membership } from "./membership.ts";

/** A manager's control as the API asks for it. */
export function managerBackend(membership: Membership): ManagerBackend {
  const manager: Manager = membership.manager();
  const { cluster, services, networks, nodes, tasks, guests, secrets, configs, logs } = manager;
  return {
    cluster,
    services,
    networks,
    nodes,
    tasks,
    guests,
    secrets,
    configs,
    joinTokens: () => joinTokens(cluster.get()),
    leaderId: () => membership.leaderId(),
    logs: (selector, options, signal) => logs.subscribe(selector, options, signal),
  };
}
