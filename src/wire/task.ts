import { explainWait, type Network, type Task } from "../model/index.ts";
import { omitEmpty } from "./json.ts";
import { attachedNetworkToWire } from "./network.ts";
import { genericToWire } from "./resources.ts";
import { addressesOf } from "./service.ts";
import { portToWire } from "./service-spec.ts";
import { taskSpecToWire } from "./task-spec.ts";
import { formatTime } from "./time.ts";

/** A task in Docker's JSON. Its name is left out, as Docker does: the CLI puts it together. */
export function taskToWire(task: Task, networks: ReadonlyMap<string, Network>): Record<string, unknown> {
  return {
    ID: task.id,
    Version: { Index: task.version },
    CreatedAt: formatTime(task.createdAt),
    UpdatedAt: formatTime(task.updatedAt),
    Labels: {},
    Spec: taskSpecToWire(task.spec),
    ServiceID: task.serviceId,
    ...omitEmpty({ Slot: task.slot, NodeID: task.nodeId }),
    Status: statusToWire(task),
    DesiredState: task.desiredState,
    ...omitEmpty({
      NetworksAttachments: attachmentsToWire(task, networks),
      GenericResources: genericToWire(task.generic ?? []),
    }),
    ...(task.jobIteration !== undefined && { JobIteration: { Index: task.jobIteration } }),
    Volumes: null,
  };
}

/** A task held back after many failures says so where others say what is wrong with them. */
function statusToWire(task: Task): Record<string, unknown> {
  const { status } = task;
  const { container } = status;
  return {
    Timestamp: formatTime(status.at),
    State: status.state,
    Message: status.message,
    ...omitEmpty({ Err: status.error ?? explainWait(task) }),
    ...(container !== undefined && {
      ContainerStatus: {
        ContainerID: container.id,
        PID: container.pid,
        ExitCode: container.exitCode ?? 0,
      },
    }),
    PortStatus: omitEmpty({ Ports: status.ports?.map(portToWire) }),
  };
}

/** Attachments to networks that are gone are left out: Docker's shape needs the network. */
function attachmentsToWire(task: Task, networks: ReadonlyMap<string, Network>): Record<string, unknown>[] {
  return task.attachments.flatMap((place) => {
    const { networkId } = place;
    const network = networks.get(networkId);
    if (network === undefined) return [];
    return [{ Network: attachedNetworkToWire(network), Addresses: addressesOf(place, network) }];
  });
}
