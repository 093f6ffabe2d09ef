import fc from "fast-check";
import { expect, test } from "vitest";
import {
  attribute,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  nested,
  readText,
  zeroEnded,
} from "./codec.ts";

const bytes = fc.uint8Array({ maxLength: 40 }).map((data) => Buffer.from(data));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const message = fc.record({ type: u16, flags: u16, sequence: u32, port: u32, body: bytes });

test("messages survive the wire, several in one datagram", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
      const padded = messages.map((m) => {
        const data = encodeMessage(m);
        return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
      });
      expect(decodeMessages(Buffer.concat(padded))).toEqual(messages);
    }),
  );
});

test("attributes survive the wire, nested ones too", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), bytes), { selector: ([type]) => type }),
      (pairs) => {
        const flat = Buffer.concat(pairs.map(([type, value]) => attribute(type, value)));
        expect([...decodeAttributes(flat)]).toEqual(pairs);
        expect([...decodeAttributes(decodeAttributes(nested(7, flat)).get(7) ?? Buffer.alloc(0))]).toEqual(
          pairs,
        );
      },
    ),
  );
});

test("whatever comes is decoded without a throw or an endless loop", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      for (const { body } of decodeMessages(Buffer.from(data))) decodeAttributes(body);
      decodeAttributes(Buffer.from(data));
    }),
  );
});

test("names end with a zero byte", () => {
  expect(readText(zeroEnded("sh-br"))).toBe("sh-br");
  expect(readText(Buffer.from("sh-br"))).toBe("sh-br");
});
