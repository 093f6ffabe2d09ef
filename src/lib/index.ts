/**
 * lib: words every other folder may use: errors, the doors for time and chance, logs, ids, addresses, groups.
 * It knows no word of the field (no service, no task) and never touches the machine.
 */

export { FakeClock } from "./clock.fake.ts";
export { type Clock, type Instant, sleep, type Timer, withDeadline } from "./clock.ts";
export { type Delta, deltaOf, sharedEnds, spliced, withDelta } from "./delta.ts";
export { deepFreeze, equal } from "./equal.ts";
export { FAULT_KINDS, Fault, type FaultKind, messageOf } from "./errors.ts";
export { Gate } from "./gate.ts";
export { aborted, type Run, runGroup } from "./group.ts";
export { newId, randomHex, toBase36 } from "./ids.ts";
export {
  type Cidr,
  contains,
  formatCidr,
  formatIpv4,
  type Ipv4,
  overlaps,
  parseCidr,
  parseIpv4,
  requireCidr,
  sizeOf,
} from "./ipv4.ts";
export {
  type Cidr6,
  contains6,
  formatCidr6,
  formatIpv6,
  type Ipv6,
  isIpv6,
  overlaps6,
  parseCidr6,
  parseIpv6,
  requireCidr6,
  sizeOf6,
} from "./ipv6.ts";
export { KeyedLocks } from "./keyed-locks.ts";
export { addCount, LayeredMap } from "./layered-map.ts";
export { type Log, type LogFields, type LogLine, relayLog, silentLog } from "./log.ts";
export { Queue } from "./queue.ts";
export { type Random, randomFloat, randomInt, seededRandom } from "./random.ts";
export { remembered } from "./remembered.ts";
export { isWithin, placeIn, type Subnet, subnetsOf, subnetWith } from "./subnets.ts";
