import { Fault } from "../../lib/index.ts";
import type { Xfrm, XfrmPolicy, XfrmState } from "../../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage, readText, u32 } from "./codec.ts";
import { ipv4Bytes, readIpv4 } from "./formats.ts";
import { AF_INET } from "./marks.ts";

/** linux/xfrm.h */
export const XFRM_MSG_NEWSA = 0x10;
export const XFRM_MSG_DELSA = 0x11;
export const XFRM_MSG_GETSA = 0x12;
export const XFRM_MSG_DELPOLICY = 0x14;
export const XFRM_MSG_GETPOLICY = 0x15;
/** Makes a policy, or takes the place of the one with its selector in one step. */
export const XFRM_MSG_UPDPOLICY = 0x19;
const XFRMA_TMPL = 5;
const XFRMA_ALG_AEAD = 18;
const XFRMA_REPLAY_ESN_VAL = 23;
const XFRM_STATE_ESN = 128;
const DIRECTIONS = ["in", "out"] as const;
const IPPROTO_ESP = 50;
const IPPROTO_UDP = 17;
const ALL_ALGORITHMS = 0xffffffff;

const CIPHER = "rfc4106(gcm(aes))";
const NAME_BYTES = 64;
const ICV_BITS = 128;
const KEY_BYTES = 20;
/** Bits of the window in which packets may overtake each other, and none is taken twice. */
const REPLAY_WINDOW = 1024;

/** Sizes and offsets in bytes, x86-64 and arm64 alike. */
const ADDRESS = 16;
const SELECTOR = 56;
const LIMITS = 64;
const SA = { id: 56, source: 80, limits: 96, reqid: 208, family: 212, mode: 214, flags: 216, size: 224 };
const POLICY = { limits: 56, priority: 152, direction: 160, size: 168 };
const TEMPLATE = { spi: 16, proto: 20, family: 24, reqid: 44, algorithms: 52, size: 64 };

/** Policies for one peer come before those for everybody. */
const priorityOf = ({ source, destination }: XfrmPolicy): number =>
  source === undefined && destination === undefined ? 2000 : 1000;

/**
 * The mark of one swarm's states and policies: "S" and a hash of its tag as the kernel's request id, which is free for any use
 * and which a packet's state and policy must have in common.
 */
export function reqidOf(tag: string): number {
  const hash = [...tag].reduce((sum, letter) => (sum * 37 + letter.charCodeAt(0)) % 0xff_ffff, 0);
  return 0x5300_0000 + hash;
}

/** struct xfrm_selector: UDP to the port between two addresses; one that is absent is any. */
function selector(source: string | undefined, destination: string | undefined, port: number): Buffer {
  const bytes = Buffer.alloc(SELECTOR);
  if (destination !== undefined) ipv4Bytes(destination).copy(bytes, 0);
  if (source !== undefined) ipv4Bytes(source).copy(bytes, ADDRESS);
  bytes.writeUInt16BE(port, 32);
  bytes.writeUInt16BE(0xffff, 34);
  bytes.writeUInt16LE(AF_INET, 40);
  bytes.writeUInt8(destination === undefined ? 0 : 32, 42);
  bytes.writeUInt8(source === undefined ? 0 : 32, 43);
  bytes.writeUInt8(IPPROTO_UDP, 44);
  return bytes;
}

/** struct xfrm_lifetime_cfg: no limit by bytes or packets, none by time. */
function unlimited(): Buffer {
  return Buffer.concat([Buffer.alloc(LIMITS / 2, 0xff), Buffer.alloc(LIMITS / 2)]);
}

/** Body of the request that puts a state. */
export function stateBody(state: XfrmState, reqid: number): Buffer {
  const bytes = Buffer.alloc(SA.size);
  selector(state.source, state.destination, state.port).copy(bytes);
  ipv4Bytes(state.destination).copy(bytes, SA.id);
  bytes.writeUInt32BE(state.spi, SA.id + ADDRESS);
  bytes.writeUInt8(IPPROTO_ESP, SA.id + ADDRESS + 4);
  ipv4Bytes(state.source).copy(bytes, SA.source);
  unlimited().copy(bytes, SA.limits);
  bytes.writeUInt32LE(reqid, SA.reqid);
  bytes.writeUInt16LE(AF_INET, SA.family);
  bytes.writeUInt8(XFRM_STATE_ESN, SA.flags);
  return Buffer.concat([bytes, attribute(XFRMA_ALG_AEAD, cipher(state.key)), replayWindow()]);
}

/** struct xfrm_algo_aead. */
function cipher(key: string): Buffer {
  const bytes = Buffer.from(key, "hex");
  if (bytes.length !== KEY_BYTES) throw new Fault("invalid", "the key is not of 20 bytes");
  const name = Buffer.alloc(NAME_BYTES);
  name.write(CIPHER);
  return Buffer.concat([name, u32(KEY_BYTES * 8), u32(ICV_BITS), bytes]);
}

/** struct xfrm_replay_state_esn: words of the bitmap, four counters of 64-bit numbers, the window in bits, the bitmap. */
function replayWindow(): Buffer {
  const words = REPLAY_WINDOW / 32;
  const value = Buffer.alloc(24 + 4 * words);
  value.writeUInt32LE(words, 0);
  value.writeUInt32LE(REPLAY_WINDOW, 20);
  return attribute(XFRMA_REPLAY_ESN_VAL, value);
}

/** Body of the request that removes a state: struct xfrm_usersa_id. */
export function stateName({ destination, spi }: XfrmState): Buffer {
  const bytes = Buffer.alloc(24);
  ipv4Bytes(destination).copy(bytes);
  bytes.writeUInt32BE(spi, ADDRESS);
  bytes.writeUInt16LE(AF_INET, ADDRESS + 4);
  bytes.writeUInt8(IPPROTO_ESP, ADDRESS + 6);
  return bytes;
}

/** Body of the request that puts a policy: allowed, by one template that is required. */
export function policyBody(policy: XfrmPolicy, reqid: number): Buffer {
  const bytes = Buffer.alloc(POLICY.size);
  selector(policy.source, policy.destination, policy.port).copy(bytes);
  unlimited().copy(bytes, POLICY.limits);
  bytes.writeUInt32LE(priorityOf(policy), POLICY.priority);
  bytes.writeUInt8(DIRECTIONS.indexOf(policy.direction), POLICY.direction);
  const template = Buffer.alloc(TEMPLATE.size);
  template.writeUInt32BE(policy.spi ?? 0, TEMPLATE.spi);
  template.writeUInt8(IPPROTO_ESP, TEMPLATE.proto);
  template.writeUInt16LE(AF_INET, TEMPLATE.family);
  template.writeUInt32LE(reqid, TEMPLATE.reqid);
  for (const kind of [0, 4, 8]) template.writeUInt32LE(ALL_ALGORITHMS, TEMPLATE.algorithms + kind);
  return Buffer.concat([bytes, attribute(XFRMA_TMPL, template)]);
}

/** Body of the request that removes a policy: struct xfrm_userpolicy_id. */
export function policyName({ direction, source, destination, port }: XfrmPolicy): Buffer {
  const bytes = Buffer.alloc(64);
  selector(source, destination, port).copy(bytes);
  bytes.writeUInt8(DIRECTIONS.indexOf(direction), 60);
  return bytes;
}

/** What bears the mark among what the kernel has. */
export function readXfrm(
  states: readonly NetlinkMessage[],
  policies: readonly NetlinkMessage[],
  reqid: number,
): Xfrm {
  return {
    states: states.flatMap((message) => readState(message, reqid) ?? []),
    policies: policies.flatMap((message) => readPolicy(message, reqid) ?? []),
  };
}

/** A state of ours with another cipher has no key of ours: it differs from any that is wanted. */
function readState({ body }: NetlinkMessage, reqid: number): XfrmState | undefined {
  if (body.length < SA.size || body.readUInt32LE(SA.reqid) !== reqid) return undefined;
  const destination = readIpv4(body.subarray(SA.id, SA.id + 4));
  const source = readIpv4(body.subarray(SA.source, SA.source + 4));
  const aead = decodeAttributes(body.subarray(SA.size)).get(XFRMA_ALG_AEAD);
  if (body.readUInt16LE(SA.family) !== AF_INET || source === undefined || destination === undefined)
    return undefined;
  const key = readText(aead?.subarray(0, NAME_BYTES)) === CIPHER ? aead?.toString("hex", NAME_BYTES + 8) : "";
  const spi = body.readUInt32BE(SA.id + ADDRESS);
  return { source, destination, spi, port: body.readUInt16BE(32), key: key ?? "" };
}

function readPolicy({ body }: NetlinkMessage, reqid: number): XfrmPolicy | undefined {
  if (body.length < POLICY.size) return undefined;
  const template = decodeAttributes(body.subarray(POLICY.size)).get(XFRMA_TMPL);
  const direction = DIRECTIONS[body.readUInt8(POLICY.direction)];
  if (template === undefined || direction === undefined) return undefined;
  if (template.readUInt32LE(TEMPLATE.reqid) !== reqid) return undefined;
  const destination = body.readUInt8(42) === 0 ? undefined : readIpv4(body.subarray(0, 4));
  const source = body.readUInt8(43) === 0 ? undefined : readIpv4(body.subarray(ADDRESS, ADDRESS + 4));
  const spi = template.readUInt32BE(TEMPLATE.spi);
  return {
    direction,
    port: body.readUInt16BE(32),
    ...(source !== undefined && { source }),
    ...(destination !== undefined && { destination }),
    ...(spi !== 0 && { spi }),
  };
}
