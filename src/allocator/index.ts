/**
 * allocator: hands out subnets, VNIs, addresses, VIPs and published ports: (view, now) -> Plan.
 * It holds no state of its own and never decides what runs or where.
 */
export { addressUse } from "./address-use.ts";
export { planAllocation } from "./allocator.ts";
export { grantGuest } from "./guests.ts";
export { grantNetwork } from "./subnets.ts";
