import { type Answer, decode, encode, type RecordType } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerQuery, fitUdp, type Query, readQuery, writeAnswer, type Zone } from "./index.ts";

const zone: Zone = {
  names: new Map([
    ["web", ["10.0.1.2"]],
    ["tasks.web", ["10.0.1.5", "10.0.1.6", "10.0.1.7"]],
  ]),
  reverse: new Map([["10.0.1.5", "web.1.abc.front"]]),
  forwards: true,
};

function query(name: string, type: string = "A", extra: object = {}): Query {
  const questions = [{ type: type as RecordType, name }];
  const read = readQuery(encode({ type: "query", id: 4711, questions, ...extra }));
  if (read === undefined) throw new Error("not a query");
  return read;
}

function ask(
  name: string,
  type = "A",
  from: Zone = zone,
  turn = 0,
): { rcode: number; data: unknown[] } | "forward" {
  const outcome = answerQuery(query(name, type), from, turn);
  if (outcome.kind === "forward") return "forward";
  const packet = decode(outcome.bytes);
  const data = (packet.answers ?? []).map((a: Answer) => ("data" in a ? a.data : undefined));
  return { rcode: (packet.flags ?? 0) & 15, data };
}

test.each([
  ["web", "A", { rcode: 0, data: ["10.0.1.2"] }],
  ["WEB.", "A", { rcode: 0, data: ["10.0.1.2"] }],
  ["web", "AAAA", { rcode: 0, data: [] }],
  ["web", "MX", { rcode: 0, data: [] }],
  ["5.1.0.10.in-addr.arpa", "PTR", { rcode: 0, data: ["web.1.abc.front"] }],
  ["6.1.0.10.in-addr.arpa", "PTR", "forward"],
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
  expect(ask("example.org", "A", { ...zone, forwards: false })).toEqual({ rcode: 3, data: [] });
});

test("no question, several, and other kinds of query are refused in their own words", () => {
  const rcode = (message: object) => {
    const read = readQuery(encode({ type: "query", id: 1, ...message }));
    const outcome = answerQuery(read as Query, zone, 0);
    return outcome.kind === "answer" ? (decode(outcome.bytes).flags ?? 0) & 15 : -1;
  };
  const web = { type: "A", name: "web" } as const;
  expect(rcode({})).toBe(1);
  expect(rcode({ questions: [web, web] })).toBe(1);
  // OPCODE 5: dynamic update (RFC 2136).
  expect(rcode({ questions: [web], flags: 5 << 11 })).toBe(4);
});

test("an answer has the asker's id, question and EDNS", () => {
  const additionals = [{ type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, options: [] }];
  const outcome = answerQuery(query("web", "A", { additionals }), zone, 0);
  const packet = decode(outcome.kind === "answer" ? outcome.bytes : Buffer.alloc(0));
  expect(packet.id).toBe(4711);
  expect(packet.questions?.[0]).toMatchObject({ name: "web", type: "A" });
  expect(packet.additionals?.[0]).toMatchObject({ type: "OPT", udpPayloadSize: 1232 });
});

test("a UDP answer has at most what the asker takes, and says when it is cut", () => {
  const many = Array.from({ length: 60 }, (_, i) => ({ type: "A", name: "x", data: `10.0.0.${i}` }) as const);
  const plain = query("x");
  const cut = decode(fitUdp(plain, writeAnswer(plain, "ok", many)));
  expect([cut.flag_tc, cut.answers]).toEqual([true, []]);
  const roomy = query("x", "A", {
    additionals: [{ type: "OPT", name: ".", udpPayloadSize: 4096, options: [] }],
  });
  expect(decode(fitUdp(roomy, writeAnswer(roomy, "ok", many))).answers?.length).toBe(60);
});

test("no bytes make the reader throw, and only queries are queries", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const read = readQuery(bytes);
      if (read !== undefined) answerQuery(read, zone, 0);
    }),
  );
  expect(readQuery(encode({ type: "response", id: 1 }))).toBeUndefined();
});

test("an answer never has an address that is not of the name asked", () => {
  const name = fc.constantFrom("web", "tasks.web", "other", "5.1.0.10.in-addr.arpa");
  fc.assert(
    fc.property(name, fc.constantFrom("A", "AAAA", "PTR", "ANY"), fc.nat(), (of, type, turn) => {
      const answer = ask(of, type, zone, turn);
      const known = new Set<unknown>([...(zone.names.get(of) ?? []), "web.1.abc.front"]);
      return answer === "forward" || answer.data.every((d) => known.has(d));
    }),
  );
});
