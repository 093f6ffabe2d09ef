import type { NetworkFacts, PortFact } from "../dataplane/index.ts";
import type { Availability } from "../model/index.ts";

/** Whether what stands before the nodes may send this one connections, and if not, why, as half a sentence. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly because: string };

/** A published port, as who asks for its readiness says it. */
export type PortName = Pick<PortFact, "protocol" | "published">;

/** What is known of a node's work. */
export interface Standing {
  /** What the cluster wants of the node; undefined until a manager has said it. */
  readonly availability: Availability | undefined;
  /** Why the kernel does not work by what the node was told; undefined while it does. */
  readonly trouble: string | undefined;
  readonly facts: Pick<NetworkFacts, "services" | "endpoints">;
}

const READY: Readiness = { ready: true };
const not = (because: string): Readiness => ({ ready: false, because });

/**
 * Ready is a node that the cluster has not told to drain and whose kernel carries the routing mesh as told. That no manager
 * answers changes nothing: the kernel goes on. Asked for a port, it is ready while a task, here or elsewhere, takes what
 * comes to that port.
 */
export function readinessOf({ availability, trouble, facts }: Standing, port?: PortName): Readiness {
  if (availability === undefined) return not("no manager has told this node its work yet");
  if (availability === "drain") return not("the node is drained");
  if (trouble !== undefined) return not(trouble);
  return port === undefined ? READY : portReadiness(facts, port);
}

function portReadiness(
  { services, endpoints }: Standing["facts"],
  { protocol, published }: PortName,
): Readiness {
  const service = services.find(({ ports }) =>
    ports.some((port) => port.protocol === protocol && port.published === published),
  );
  if (service === undefined) return not(`no service publishes port ${published}/${protocol}`);
  const serves = endpoints.some(({ serviceId }) => serviceId === service.id);
  return serves ? READY : not(`no task of service ${service.name} takes connections`);
}
