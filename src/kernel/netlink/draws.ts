import type { Draw, TableName } from "../../netstate/index.ts";
import { attribute, be32, nested, u8, u32, zeroEnded } from "./codec.ts";
import { writeIp } from "./formats.ts";
import { AF_INET, AF_INET6, NLM_F_APPEND, NLM_F_CREATE } from "./marks.ts";
import type { Request } from "./socket.ts";

/**
 * A chain that draws a backend by turns, as messages of nf_tables. What libnftables would say of the same rule, byte for byte where it
 * matters to nft's print; but libnftables first reads every table that it is to change, and that takes longer than the change.
 * Numbers: linux/netfilter/nf_tables.h; libnftnl, udata.h; nft, datatype.h.
 */
const NFNL_SUBSYS_NFTABLES = 10 << 8;
const NFT_MSG_NEWRULE = NFNL_SUBSYS_NFTABLES | 6;
const NFT_MSG_DELRULE = NFNL_SUBSYS_NFTABLES | 8;
const NFT_MSG_NEWSET = NFNL_SUBSYS_NFTABLES | 9;
const NFT_MSG_NEWSETELEM = NFNL_SUBSYS_NFTABLES | 12;

/**
 * A set that belongs to one rule and cannot change. Its name is never printed; for "__map%d", as libnftables has it, the kernel would read the
 * names of all sets of the table to find a number (nf_tables_api.c, nf_tables_set_alloc_name). One chain has one such set.
 */
const setNameOf = ({ chain }: Draw): Buffer => zeroEnded(`__draw-${chain}`);
const ANONYMOUS_CONSTANT_MAP = 0x1 | 0x2 | 0x8;
const TYPE_INTEGER = 4;
const TYPE_INET_SERVICE = 13;
/** Of a type that is two after another. */
const TYPE_BITS = 6;
const KEY_BYTES = 4;
/** Registers are of 16 bytes; a port behind an IPv4 address is in the second quarter of the first. */
const REGISTER_1 = 1;
const REGISTER_2 = 2;
const REGISTER_1_SECOND_QUARTER = 9;
const META_L4PROTO = 16;
const L4PROTO: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };
/** An attribute holds 64 KiB. */
const ELEMENTS_A_MESSAGE = 1_000;

interface Family {
  readonly number: number;
  readonly type: number;
  readonly bytes: number;
  readonly portRegister: number;
}

const FAMILIES: Readonly<Record<"ip" | "ip6", Family>> = {
  ip: { number: AF_INET, type: 7, bytes: 4, portRegister: REGISTER_1_SECOND_QUARTER },
  ip6: { number: AF_INET6, type: 8, bytes: 16, portRegister: REGISTER_2 },
};

/** Messages that replace what is in the draws' chains, for one batch. The family is "ip" or "ip6": "inet" has no such chains. */
export function drawRequests({ family, name }: TableName, draws: readonly Draw[]): Request[] {
  const of = family === "ip6" ? FAMILIES.ip6 : FAMILIES.ip;
  return draws.flatMap((draw, i) => {
    const id = be32(i + 1);
    const table = [Buffer.from([of.number, 0, 0, 0]), attribute(1, zeroEnded(name))];
    const at = [...table, attribute(2, zeroEnded(draw.chain))];
    return [
      { type: NFT_MSG_DELRULE, flags: 0, body: at },
      { type: NFT_MSG_NEWSET, flags: NLM_F_CREATE, body: [...table, ...setAttributes(of, draw, id)] },
      ...elementLists(of, draw).map((list) => {
        // By its number in the batch alone: by name it would be looked for among all sets of the table.
        const body = [...table, attribute(4, id), nested(3, list)];
        return { type: NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE, body };
      }),
      {
        type: NFT_MSG_NEWRULE,
        flags: NLM_F_CREATE | NLM_F_APPEND,
        body: [...at, nested(4, ...expressions(of, draw, id))],
      },
    ];
  });
}

function setAttributes({ type, bytes }: Family, draw: Draw, id: Buffer): Buffer[] {
  const { port, backends } = draw;
  const dataType = port === undefined ? type : (type << TYPE_BITS) | TYPE_INET_SERVICE;
  return [
    attribute(2, setNameOf(draw)),
    attribute(3, be32(ANONYMOUS_CONSTANT_MAP)),
    attribute(4, be32(TYPE_INTEGER)),
    attribute(5, be32(KEY_BYTES)),
    attribute(6, be32(dataType)),
    attribute(7, be32(port === undefined ? bytes : bytes + 4)),
    attribute(10, id),
    nested(9, attribute(1, be32(backends.length))),
    // For nft's print: keys are in the host's byte order, single addresses in the network's, no ranges.
    attribute(13, Buffer.concat([word(0, 1), word(1, port === undefined ? 2 : 0), word(6, 0)])),
  ];
}

const word = (type: number, value: number): Buffer => Buffer.concat([Buffer.from([type, 4]), u32(value)]);

/** The set's elements, each a number and what it draws, in lists that an attribute can hold. */
function elementLists({ bytes }: Family, { port, backends }: Draw): Buffer[] {
  const data = Buffer.alloc(port === undefined ? bytes : bytes + 4);
  if (port !== undefined) data.writeUInt16BE(port.target, bytes);
  // All are of one length: numbers and addresses are written over the places of the first.
  const model = nested(1, nested(1, attribute(1, u32(0))), nested(2, attribute(1, data)));
  const [keyAt, dataAt] = [12, model.length - data.length];
  const all = Buffer.alloc(model.length * backends.length, model);
  for (const [i, backend] of backends.entries()) {
    all.writeUInt32LE(i, i * model.length + keyAt);
    writeIp(all, i * model.length + dataAt, backend);
  }
  const step = ELEMENTS_A_MESSAGE * model.length;
  return Array.from({ length: Math.ceil(all.length / step) }, (_, i) =>
    all.subarray(i * step, (i + 1) * step),
  );
}

function expressions(family: Family, draw: Draw, id: Buffer): Buffer[] {
  const { port, backends } = draw;
  const register = be32(REGISTER_1);
  const only = port === undefined ? [] : ofProtocol(port.protocol);
  return [
    ...only,
    expression("numgen", [
      attribute(1, register),
      attribute(2, be32(backends.length)),
      attribute(3, be32(0)),
      attribute(4, be32(0)),
    ]),
    expression("lookup", [
      attribute(2, register),
      attribute(3, register),
      attribute(1, setNameOf(draw)),
      attribute(4, id),
    ]),
    expression("nat", [
      attribute(1, be32(1)),
      attribute(2, be32(family.number)),
      attribute(3, register),
      ...(port === undefined ? [] : [attribute(5, be32(family.portRegister))]),
    ]),
  ];
}

function ofProtocol(protocol: string): Buffer[] {
  const register = be32(REGISTER_1);
  const value = nested(3, attribute(1, u8(L4PROTO[protocol] ?? 0)));
  return [
    expression("meta", [attribute(2, be32(META_L4PROTO)), attribute(1, register)]),
    expression("cmp", [attribute(1, register), attribute(2, be32(0)), value]),
  ];
}

function expression(name: string, attributes: readonly Buffer[]): Buffer {
  return nested(1, attribute(1, zeroEnded(name)), nested(2, ...attributes));
}
