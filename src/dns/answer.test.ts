import { type Answer, decode, encode, type RecordType } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerQuery, type NetworkNames, type Query, readQuery, writeAnswer, type Zone } from "./index.ts";
import { encodeRecords } from "./message.ts";

const front: NetworkNames = {
  name: "front",
  subnets: ["10.0.1.0/24", "fd00:1::/64"],
  addresses: new Map([
    ["web", ["10.0.1.2"]],
    ["tasks.web", ["10.0.1.5", "10.0.1.6", "10.0.1.7"]],
    ["both", []],
    ["idle", []],
  ]),
  names: new Map([
    ["10.0.1.5", "web.1.abc.front"],
    ["fd00:1::5", "web.1.abc.front"],
  ]),
  addresses6: new Map([
    ["web", ["fd00:1::2"]],
    ["tasks.web", ["fd00:1::5", "fd00:1::6"]],
  ]),
};
const REVERSE6 = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa";
const back: NetworkNames = {
  name: "back",
  subnets: ["10.0.2.0/24", "10.7.0.0/24"],
  addresses: new Map([
    ["web", ["10.0.2.2"]],
    ["both", ["10.0.2.9"]],
    ["long", Array.from({ length: 60 }, (_, i) => `10.0.2.${i + 100}`)],
  ]),
  names: new Map([["10.7.0.7", "far.1.abc.back"]]),
};
const zone: Zone = { networks: [front, back], forwards: true };

function query(name: string, type: string = "A", extra: object = {}): Query {
  const questions = [{ type: type as RecordType, name }];
  const read = readQuery(encode({ type: "query", id: 4711, questions, ...extra }));
  if (read === undefined) throw new Error("not a query");
  return read;
}

const edns = (udpPayloadSize: number) => ({
  additionals: [{ type: "OPT", name: ".", udpPayloadSize, flags: 0, options: [] }],
});

function ask(
  name: string,
  type = "A",
  from: Zone = zone,
  turn = 0,
): { rcode: number; data: unknown[] } | "forward" {
  const outcome = answerQuery(query(name, type), from, turn, "udp");
  if (outcome.kind === "forward") return "forward";
  const packet = decode(outcome.bytes);
  const data = (packet.answers ?? []).map((a: Answer) => ("data" in a ? a.data : undefined));
  return { rcode: (packet.flags ?? 0) & 15, data };
}

test.each([
  ["web", "A", { rcode: 0, data: ["10.0.1.2"] }],
  ["WEB.", "A", { rcode: 0, data: ["10.0.1.2"] }],
  ["web", "ANY", { rcode: 0, data: [] }],
  ["web", "AAAA", { rcode: 0, data: ["fd00:1::2"] }],
  ["Tasks.Web.front", "AAAA", { rcode: 0, data: ["fd00:1::5", "fd00:1::6"] }],
  ["both", "AAAA", { rcode: 0, data: [] }],
  ["web.back", "AAAA", { rcode: 0, data: [] }],
  ["web.other", "AAAA", "forward"],
  ["web", "MX", { rcode: 0, data: [] }],
  ["both", "A", { rcode: 0, data: ["10.0.2.9"] }],
  ["idle", "A", { rcode: 0, data: [] }],
  ["web.back", "A", { rcode: 0, data: ["10.0.2.2"] }],
  ["Tasks.Web.FRONT.", "A", { rcode: 0, data: ["10.0.1.5", "10.0.1.6", "10.0.1.7"] }],
  ["tasks.web.back", "A", "forward"],
  ["web.other", "A", "forward"],
  ["back", "A", "forward"],
  ["5.1.0.10.in-addr.arpa", "PTR", { rcode: 0, data: ["web.1.abc.front"] }],
  ["5.1.0.10.in-addr.arpa", "A", { rcode: 0, data: [] }],
  ["6.1.0.10.in-addr.arpa", "PTR", { rcode: 3, data: [] }],
  ["6.0.7.10.in-addr.arpa", "PTR", { rcode: 3, data: [] }],
  ["7.0.7.10.in-addr.arpa", "PTR", { rcode: 0, data: ["far.1.abc.back"] }],
  ["6.9.0.10.in-addr.arpa", "PTR", "forward"],
  ["6.1.0.10.in-addr.arpa", "PTR", { rcode: 3, data: [] }],
  [`5.0.0.0.0.0.0.${REVERSE6}`, "PTR", { rcode: 0, data: ["web.1.abc.front"] }],
  [`5.0.0.0.0.0.0.${REVERSE6.replace("d.f", "D.F")}`, "PTR", { rcode: 0, data: ["web.1.abc.front"] }],
  [`5.0.0.0.0.0.0.${REVERSE6}`, "AAAA", { rcode: 0, data: [] }],
  [`6.0.0.0.0.0.0.${REVERSE6}`, "PTR", { rcode: 3, data: [] }],
  [`6.0.0.0.0.0.0.${REVERSE6.replace("d.f", "e.f")}`, "PTR", "forward"],
  [`0.0.0.0.0.0.${REVERSE6}`, "PTR", "forward"],
  ["300.1.0.10.in-addr.arpa", "PTR", "forward"],
  ["example.org", "A", "forward"],
])("%s %s", (name, type, expected) => {
  expect(ask(name, type)).toEqual(expected);
});

test("several addresses come in turn", () => {
  const firsts = [0, 1, 2, 3]
    .map((turn) => ask("tasks.web", "A", zone, turn))
    .map((a) => a !== "forward" && a.data[0]);
  expect(firsts).toEqual(["10.0.1.5", "10.0.1.6", "10.0.1.7", "10.0.1.5"]);
});

test("who may not ask outside hears that the name does not exist", () => {
  const closed = { ...zone, forwards: false };
  expect(ask("example.org", "A", closed)).toEqual({ rcode: 3, data: [] });
  expect(ask("6.9.0.10.in-addr.arpa", "PTR", closed)).toEqual({ rcode: 3, data: [] });
});

test("no question, several, a compressed one and other kinds of query are refused in their own words", () => {
  const rcodeOf = (message: Buffer) => {
    const outcome = answerQuery(readQuery(message) as Query, zone, 0, "udp");
    return outcome.kind === "answer" ? (decode(outcome.bytes).flags ?? 0) & 15 : -1;
  };
  const web = { type: "A", name: "web" } as const;
  const message = (more: object) => encode({ type: "query", id: 1, ...more });
  expect(rcodeOf(message({}))).toBe(1);
  expect(rcodeOf(message({ questions: [web, web] }))).toBe(1);
  // A name that is a pointer to the zero byte in the header.
  expect(rcodeOf(Buffer.from("000101000001000000000000c00400010001", "hex"))).toBe(1);
  // OPCODE 5: dynamic update (RFC 2136).
  expect(rcodeOf(message({ questions: [web], flags: 5 << 11 }))).toBe(4);
});

test("an answer has the asker's id, EDNS and question, spelled as he did", () => {
  const outcome = answerQuery(query("wEb", "A", edns(4096)), zone, 0, "udp");
  const packet = decode(outcome.kind === "answer" ? outcome.bytes : Buffer.alloc(0));
  expect(packet.id).toBe(4711);
  expect(packet.questions?.[0]).toMatchObject({ name: "wEb", type: "A" });
  expect(packet.answers?.[0]).toMatchObject({ name: "wEb", type: "A", class: "IN", ttl: 5 });
  expect(packet.additionals?.[0]).toMatchObject({ type: "OPT", udpPayloadSize: 1232 });
});

test("a UDP answer has at most what the asker takes, keeps what fits, and says when it is cut", () => {
  const lengths = (over: "udp" | "tcp", extra: object = {}) => {
    const outcome = answerQuery(query("long", "A", extra), zone, 0, over);
    const bytes = outcome.kind === "answer" ? outcome.bytes : Buffer.alloc(0);
    return { bytes: bytes.length, cut: decode(bytes).flag_tc, records: decode(bytes).answers?.length };
  };
  expect(lengths("udp")).toEqual({ bytes: 502, cut: true, records: 30 });
  expect(lengths("udp", edns(100))).toEqual({ bytes: 497, cut: true, records: 29 });
  expect(lengths("udp", edns(4096))).toEqual({ bytes: 993, cut: false, records: 60 });
  expect(lengths("tcp")).toEqual({ bytes: 982, cut: false, records: 60 });
});

test("a name that no record can hold is left out", () => {
  const records = [
    { type: "PTR", ttlS: 5, data: "x".repeat(64) } as const,
    { type: "PTR", ttlS: 5, data: "a..b" } as const,
    { type: "PTR", ttlS: 5, data: "ok.front" } as const,
    { type: "A", ttlS: 5, data: "fe80::1" } as const,
  ];
  expect(decode(writeAnswer(query("x"), "ok", encodeRecords(records))).answers).toMatchObject([
    { data: "ok.front" },
  ]);
});

test("no bytes make the reader throw, and only queries are queries", () => {
  const header = Buffer.from("000101000001000000000000", "hex");
  const bytes = fc.uint8Array({ maxLength: 80 });
  const messages = fc.oneof(
    bytes,
    bytes.map((tail) => Buffer.concat([header, tail])),
  );
  fc.assert(
    fc.property(messages, (message) => {
      const read = readQuery(message);
      if (read === undefined) return;
      const outcome = answerQuery(read, zone, 0, "udp");
      if (outcome.kind === "answer") expect(decode(outcome.bytes).id).toBe(read.id);
    }),
    { numRuns: 1000 },
  );
  expect(readQuery(encode({ type: "response", id: 1 }))).toBeUndefined();
});

test("every query that can be written is read as it is, whatever its type, and its answer can be read", () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
  const names = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
  fc.assert(
    fc.property(names, fc.integer({ min: 0, max: 65_535 }), fc.nat(65_535), (name, type, id) => {
      const message = encode({ type: "query", id, questions: [{ type: "A", name }] });
      message.writeUInt16BE(type, message.length - 4);
      const read = readQuery(message);
      expect(read).toMatchObject({ name, type, class: 1, id, fault: undefined });
      const answer = writeAnswer(read as Query, "nonexistent");
      expect(answer.subarray(12)).toEqual(message.subarray(12));
      expect(decode(answer)).toMatchObject({ id, type: "response" });
    }),
  );
});

test("an answer never has an address that is not of the name asked", () => {
  const known = ["web", "tasks.web", "both", "idle", "web.back", "other", "5.1.0.10.in-addr.arpa"];
  fc.assert(
    fc.property(
      fc.constantFrom(...known),
      fc.constantFrom("A", "AAAA", "PTR", "ANY"),
      fc.nat(),
      (of, type, turn) => {
        const answer = ask(of, type, zone, turn);
        if (answer === "forward") return;
        const [host = "", network] = of.split(/\.(?=back$)/);
        const on = network === undefined ? [front, back] : [back];
        const rightOf = (n: NetworkNames) => [
          ...(n.addresses.get(host) ?? []),
          ...(n.addresses6?.get(host) ?? []),
        ];
        const right = new Set<unknown>(on.flatMap(rightOf));
        for (const datum of answer.data) expect(right.has(datum) || datum === "web.1.abc.front").toBe(true);
      },
    ),
  );
});
