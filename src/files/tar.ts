import { Fault } from "../lib/index.ts";

/*
 * The format of tar archives: POSIX ustar with pax records, and of GNU's what is still written: long names, numbers in base 256. Names,
 * links and values of records are byte strings: a character a byte (latin1), since file systems know no other alphabet.
 */

export const BLOCK_BYTES = 512;
/** Two blocks of nothing end an archive. */
export const END_BYTES: number = 2 * BLOCK_BYTES;
/** More than any real set of records. */
const MOST_RECORD_BYTES = 1 << 20;

export type TarKind = "file" | "link" | "symlink" | "character" | "block" | "folder" | "fifo";

/** One entry: its head, without what it holds. */
export interface TarEntry {
  readonly kind: TarKind;
  readonly name: string;
  /** Permissions with set-user-ID, set-group-ID and sticky bit. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow; 0 but for files. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Where a link leads. */
  readonly target: string;
  readonly device: { readonly major: number; readonly minor: number };
  /** Extended attributes. */
  readonly attributes: Readonly<Record<string, string>>;
}

const FLAGS: Readonly<Record<TarKind, string>> = {
  ...{ file: "0", link: "1", symlink: "2", character: "3", block: "4", folder: "5", fifo: "6" },
};
const KINDS: ReadonlyMap<string, TarKind> = new Map([
  ...Object.entries(FLAGS).map(([kind, flag]) => [flag, kind as TarKind] as const),
  ["\0", "file"],
  ["7", "file"],
]);
const ATTRIBUTE = "SCHILY.xattr.";

/** [offset, length] of the fields of a header (POSIX pax, "ustar Interchange Format"). */
const FIELD = {
  ...{ name: [0, 100], mode: [100, 8], uid: [108, 8], gid: [116, 8], size: [124, 12], mtime: [136, 12] },
  ...{ sum: [148, 8], flag: [156, 1], target: [157, 100], magic: [257, 8] },
  ...{ major: [329, 8], minor: [337, 8], prefix: [345, 155] },
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

type Field = keyof typeof FIELD;

/** The entry's header, with records before it for what has no room there. Padding after its bytes: `paddingOf`. */
export function encodeEntry(entry: TarEntry): Buffer {
  const records = Object.entries(entry.attributes).map(([k, v]) => [`${ATTRIBUTE}${k}`, v] as const);
  const more: (readonly [string, string])[] = [...records];
  if (entry.name.length > room("name")) more.push(["path", entry.name]);
  if (entry.target.length > room("target")) more.push(["linkpath", entry.target]);
  for (const key of ["uid", "gid", "size"] as const) {
    if (!hasRoom(entry[key], key)) more.push([key, String(entry[key])]);
  }
  if (!hasRoom(Math.floor(entry.mtime), "mtime")) more.push(["mtime", String(Math.floor(entry.mtime))]);
  const header = encodeHeader(entry, FLAGS[entry.kind]);
  if (more.length === 0) return header;
  const body = Buffer.from(more.map(([key, value]) => encodeRecord(key, value)).join(""), "latin1");
  const about = { ...entry, name: "PaxHeaders/x", target: "", size: body.length };
  return Buffer.concat([
    encodeHeader(about, "x"),
    body,
    Buffer.alloc(paddingOf(body.length)),
    encodeHeader(entry, FLAGS[entry.kind]),
  ]);
}

/** Bytes from the end of what an entry holds to the next block. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

function encodeHeader(entry: TarEntry, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const text = (field: Field, value: string) =>
    block.write(value.slice(0, room(field)), FIELD[field][0], "latin1");
  const number = (field: Field, value: number) => {
    const digits = room(field) - 1;
    text(field, (hasRoom(value, field) ? value : 0).toString(8).padStart(digits, "0"));
  };
  text("name", entry.name);
  for (const field of ["mode", "uid", "gid", "size"] as const) number(field, entry[field]);
  number("mtime", Math.floor(entry.mtime));
  text("flag", flag);
  text("target", entry.target);
  text("magic", "ustar\x0000");
  number("major", entry.device.major);
  number("minor", entry.device.minor);
  block.write(`${sumOf(block).toString(8).padStart(6, "0")}\0 `, FIELD.sum[0], "latin1");
  return block;
}

function room(field: Field): number {
  return FIELD[field][1];
}

function hasRoom(value: number, field: Field): boolean {
  return value >= 0 && value < 8 ** (room(field) - 1);
}

/** "<length> key=value\n", where the length counts itself. */
function encodeRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Of all bytes, with the sum itself as blanks. */
function sumOf(block: Buffer): number {
  const [from, length] = FIELD.sum;
  let sum = 0x20 * length;
  for (const [i, byte] of block.entries()) if (i < from || i >= from + length) sum += byte;
  return sum;
}

/** Where an archive comes from: exactly `bytes` bytes, fewer only at its end. */
export type TakeBytes = (bytes: number) => Buffer;

/** The next entry; undefined at the end. Its bytes, and `paddingOf` them, are the caller's to take. Fault "invalid" for what is no archive. */
export function decodeEntry(take: TakeBytes): TarEntry | undefined {
  let records: Record<string, string> = {};
  while (true) {
    const block = take(BLOCK_BYTES);
    if (block.length === 0 || block.every((byte) => byte === 0)) return undefined;
    if (block.length < BLOCK_BYTES) throw broken("unexpected EOF");
    if (decodeNumber(block, "sum") !== sumOf(block)) throw broken("invalid tar header");
    const flag = decodeText(block, "flag") || "\0";
    const size = decodeNumber(block, "size");
    if (flag === "x") records = { ...records, ...decodeRecords(takeBody(take, size)) };
    else if (flag === "L") records = { path: untilNul(takeBody(take, size)), ...records };
    else if (flag === "K") records = { linkpath: untilNul(takeBody(take, size)), ...records };
    else if (flag === "g") takeBody(take, size);
    else return entryOf(block, flag, records);
  }
}

function entryOf(block: Buffer, flag: string, records: Readonly<Record<string, string>>): TarEntry {
  const name = records["path"] ?? nameOf(block);
  const kind = flag === "0" && name.endsWith("/") ? "folder" : KINDS.get(flag);
  if (kind === undefined) throw broken(`entry "${name}" is of type ${JSON.stringify(flag)}`);
  if (Object.keys(records).some((key) => key.startsWith("GNU.sparse."))) {
    throw broken(`entry "${name}" is a sparse file in GNU's form`);
  }
  const number = (key: "uid" | "gid" | "size" | "mtime"): number => {
    const value = records[key];
    return value === undefined ? decodeNumber(block, key) : numberOf(value);
  };
  const attributes = Object.entries(records).filter(([key]) => key.startsWith(ATTRIBUTE));
  return {
    ...{ kind, name, uid: number("uid"), gid: number("gid"), mtime: number("mtime") },
    size: kind === "file" ? number("size") : 0,
    mode: decodeNumber(block, "mode") & 0o7777,
    target: records["linkpath"] ?? decodeText(block, "target"),
    device: { major: decodeNumber(block, "major"), minor: decodeNumber(block, "minor") },
    attributes: Object.fromEntries(attributes.map(([key, value]) => [key.slice(ATTRIBUTE.length), value])),
  };
}

/** Only POSIX has the prefix; GNU keeps times there. */
function nameOf(block: Buffer): string {
  const isPosix = decodeText(block, "magic").startsWith("ustar") && block[FIELD.magic[0] + 5] === 0;
  const prefix = isPosix ? decodeText(block, "prefix") : "";
  return prefix === "" ? decodeText(block, "name") : `${prefix}/${decodeText(block, "name")}`;
}

function takeBody(take: TakeBytes, size: number): Buffer {
  if (size > MOST_RECORD_BYTES) throw broken(`a record of ${size} bytes`);
  const body = take(size);
  if (body.length < size || take(paddingOf(size)).length < paddingOf(size)) throw broken("unexpected EOF");
  return body;
}

function decodeRecords(body: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at);
    const length = Number(body.toString("latin1", at, Math.max(blank, at)));
    if (!(length > 0) || at + length > body.length) throw broken("invalid tar header");
    const [, key = "", value = ""] =
      /^([^=]*)=([\s\S]*)\n$/.exec(body.toString("latin1", blank + 1, at + length)) ?? [];
    records[key] = value;
    at += length;
  }
  return records;
}

function decodeText(block: Buffer, field: Field): string {
  const [from, length] = FIELD[field];
  return untilNul(block.subarray(from, from + length));
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

/** Octal, or with the first bit set a number in base 256. */
function decodeNumber(block: Buffer, field: Field): number {
  const [from, length] = FIELD[field];
  const bytes = block.subarray(from, from + length);
  const first = bytes[0] ?? 0;
  if (first < 0x80) return Number.parseInt(decodeText(block, field).trim() || "0", 8) || 0;
  const isNegative = (first & 0x40) !== 0;
  const digits = [...bytes.subarray(1)].map((byte) => BigInt(isNegative ? byte ^ 0xff : byte));
  const value = Number(digits.reduce((sum, digit) => (sum << 8n) | digit, 0n));
  return isNegative ? -value - 1 : value;
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw broken("invalid tar header");
  return value;
}

function broken(reason: string): Fault {
  return new Fault("invalid", `cannot read the archive: ${reason}`);
}
