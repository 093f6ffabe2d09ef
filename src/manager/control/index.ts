/** The control's parts; manager/index.ts says what may be used outside. */
export { ClusterControl } from "./cluster.ts";
export { GuestControl } from "./guests.ts";
export { NetworkControl } from "./networks.ts";
export { NodeControl } from "./nodes.ts";
export type { ControlParts } from "./parts.ts";
export { SecretControl } from "./secrets.ts";
export { ServiceControl } from "./services.ts";
export { TaskControl } from "./tasks.ts";
