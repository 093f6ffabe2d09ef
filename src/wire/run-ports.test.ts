import fc from "fast-check";
import { expect, test } from "vitest";
import { portsFromWire, portsToWire } from "./run-ports.ts";

const published = (HostPort: string, HostIp = "") =>
  portsFromWire({ "80/tcp": [{ HostIp, HostPort }] }).map(({ target: _, protocol: __, ...rest }) => rest);

test.each([
  ["", { published: 0 }],
  ["8080", { published: 8080 }],
  ["8000-8010", { published: 8000, publishedLast: 8010 }],
  ["8000-8000", { published: 8000 }],
  ["1-65535", { published: 1, publishedLast: 65_535 }],
])("host port %j", (text, port) => {
  expect(published(text)).toEqual([port]);
  expect(published(text, "192.0.2.7")).toEqual([{ ...port, hostAddress: "192.0.2.7" }]);
});

test.each([
  ["8010-8000", 'invalid port specification: "8010-8000"'],
  ["0-9", 'invalid port specification: "0-9"'],
  ["8000-65536", "invalid host port: 65536"],
  ["8000-", "invalid host port: 8000-"],
  ["-1", "invalid host port: -1"],
  ["1-2-3", "invalid host port: 1-2-3"],
  ["a-b", "invalid host port: a-b"],
])("host port %j is none", (text, why) => {
  expect(() => published(text)).toThrow(why);
});

test("what is published comes back as it was said", () => {
  const number = fc.integer({ min: 1, max: 65_535 });
  const range = fc.tuple(number, number).filter(([a, b]) => a < b);
  const HostPort = fc.oneof(
    fc.constant(""),
    number.map(String),
    range.map((ends) => ends.join("-")),
  );
  const row = fc.record({ HostIp: fc.constantFrom("", "127.0.0.1", "192.0.2.7"), HostPort });
  const key = fc.tuple(number, fc.constantFrom("tcp", "udp", "sctp")).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(fc.dictionary(key, fc.array(row, { minLength: 1, maxLength: 3 })), (bindings) => {
      expect(portsToWire(portsFromWire(bindings))).toEqual({ ...bindings });
    }),
  );
});

test("no text is anything but ports of the host or a refusal", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{0,6}-?\d{0,6}$/)), (text) => {
      let ports: ReturnType<typeof published>;
      try {
        ports = published(text);
      } catch (error) {
        expect(error).toMatchObject({ kind: "invalid" });
        return;
      }
      const [{ published: first = -1, publishedLast = first } = {}] = ports;
      expect(first >= 0 && first <= publishedLast && publishedLast <= 65_535).toBe(true);
    }),
  );
});
