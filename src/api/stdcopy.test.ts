import fc from "fast-check";
import { expect, test } from "vitest";
import { frame } from "./stdcopy.ts";

/** moby's reader (pkg/stdcopy StdCopy), as the client has it. */
function readFrames(bytes: Uint8Array): { stream: number; payload: Uint8Array }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: { stream: number; payload: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at + 4);
    frames.push({ stream: view.getUint8(at), payload: bytes.slice(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return frames;
}

test("a frame is eight bytes and the payload", () => {
  expect([...frame("stderr", Buffer.from("hi\n"))]).toEqual([2, 0, 0, 0, 0, 0, 0, 3, 0x68, 0x69, 0x0a]);
});

test("a client reads back every line of any mix of streams", () => {
  const line = fc.record({
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    payload: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const bytes = new Uint8Array(Buffer.concat(lines.map(({ stream, payload }) => frame(stream, payload))));
      const wanted = lines.map(({ stream, payload }) => ({ stream: stream === "stdout" ? 1 : 2, payload }));
      expect(readFrames(bytes)).toEqual(wanted);
    }),
  );
});
