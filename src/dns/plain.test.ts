import { encode, type OptAnswer } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readAny } from "./message.ts";
import { readPlain } from "./plain.ts";

const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,63}$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const opt = (udpPayloadSize: number): OptAnswer => ({
  type: "OPT",
  name: ".",
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
});

const asked = fc
  .record({
    name,
    id: fc.nat(0xffff),
    edns: fc.option(fc.integer({ min: 1, max: 0xffff }), { nil: undefined }),
  })
  .map(({ name, id, edns }) => {
    const additionals = edns === undefined ? [] : [opt(edns)];
    return {
      name,
      edns,
      bytes: encode({ type: "query", id, questions: [{ type: "A", name }], additionals }),
    };
  });

test("what resolvers send is read here", () => {
  fc.assert(
    fc.property(asked, ({ name, edns, bytes }) => {
      const read = readPlain(bytes);
      if (name.length > 253) expect(read).toBeUndefined();
      else expect(read).toEqual({ name, end: 12 + name.length + 2 + 4, ednsBytes: edns });
    }),
  );
});

test("what is read here is read alike by the reader of all messages, whatever bytes are changed, added or cut", () => {
  const change = fc.record({ at: fc.nat(300), byte: fc.nat(255) });
  const spoilt = fc
    .tuple(asked, fc.array(change, { maxLength: 3 }), fc.uint8Array({ maxLength: 12 }), fc.nat(300))
    .map(([{ bytes }, changes, tail, length]) => {
      const message = Buffer.concat([bytes, tail]).subarray(0, Math.max(length, 12));
      for (const { at, byte } of changes) if (at < message.length) message[at] = byte;
      return message;
    });
  let plain = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        spoilt,
        asked.map(({ bytes }) => bytes),
      ),
      (message) => {
        const read = readPlain(message);
        if (read === undefined) return;
        plain++;
        expect(readAny(message)).toEqual(read);
      },
    ),
    { numRuns: 2000 },
  );
  expect(plain).toBeGreaterThan(500);
});
