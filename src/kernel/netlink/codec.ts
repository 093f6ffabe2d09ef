/** The shapes of netlink(7) messages: a 16-byte header, a fixed body per type, then attributes. All in host order (little endian). */
const HEADER_BYTES = 16;
const ATTRIBUTE_BYTES = 4;
/** Flags in an attribute's type: nested, network byte order (linux/netlink.h NLA_TYPE_MASK). */
const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly port: number;
  readonly body: Buffer;
}

export type Attributes = ReadonlyMap<number, Buffer>;

const align = (length: number): number => (length + 3) & ~3;

export function encodeMessage(message: NetlinkMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + message.body.length, 0);
  header.writeUInt16LE(message.type, 4);
  header.writeUInt16LE(message.flags, 6);
  header.writeUInt32LE(message.sequence, 8);
  header.writeUInt32LE(message.port, 12);
  return Buffer.concat([header, message.body]);
}

/** The messages of one datagram; what is cut off at its end is left out. Bodies share memory with `data`. */
export function decodeMessages(data: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= data.length; ) {
    const length = data.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > data.length) break;
    messages.push({
      type: data.readUInt16LE(at + 4),
      flags: data.readUInt16LE(at + 6),
      sequence: data.readUInt32LE(at + 8),
      port: data.readUInt32LE(at + 12),
      body: data.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** One attribute, padded. */
export function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(align(ATTRIBUTE_BYTES + value.length));
  bytes.writeUInt16LE(ATTRIBUTE_BYTES + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, ATTRIBUTE_BYTES);
  return bytes;
}

/** An attribute that holds attributes (or a struct and attributes). */
export function nested(type: number, ...parts: readonly Buffer[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(parts));
}

/** Attributes by type, the last of each; values share memory with `data`. */
export function decodeAttributes(data: Buffer): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + ATTRIBUTE_BYTES <= data.length; ) {
    const length = data.readUInt16LE(at);
    if (length < ATTRIBUTE_BYTES || at + length > data.length) break;
    attributes.set(data.readUInt16LE(at + 2) & TYPE_MASK, data.subarray(at + ATTRIBUTE_BYTES, at + length));
    at += align(length);
  }
  return attributes;
}

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** Network byte order. */
export function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** Network byte order. */
export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A name as the kernel wants it: ended by a zero byte. */
export function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function readU8(value: Buffer | undefined): number | undefined {
  return value === undefined || value.length < 1 ? undefined : value.readUInt8(0);
}

export function readU16(value: Buffer | undefined): number | undefined {
  return value === undefined || value.length < 2 ? undefined : value.readUInt16LE(0);
}

export function readU32(value: Buffer | undefined): number | undefined {
  return value === undefined || value.length < 4 ? undefined : value.readUInt32LE(0);
}

export function readBe16(value: Buffer | undefined): number | undefined {
  return value === undefined || value.length < 2 ? undefined : value.readUInt16BE(0);
}

export function readBe32(value: Buffer | undefined): number | undefined {
  return value === undefined || value.length < 4 ? undefined : value.readUInt32BE(0);
}

export function readText(value: Buffer | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}
