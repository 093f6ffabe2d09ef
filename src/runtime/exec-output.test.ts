import { expect, test } from "vitest";
import { ExecOutput } from "./exec-output.ts";

test("output is kept up to 4096 bytes, and says when it was more", () => {
  const output = new ExecOutput();
  expect(output.toString()).toBe("");
  output.take(Buffer.from("a".repeat(4000)));
  output.take(Buffer.from("b".repeat(96)));
  expect(output.toString()).toBe("a".repeat(4000) + "b".repeat(96));
  output.take(Buffer.from("c"));
  output.take(Buffer.from("d"));
  expect(output.toString()).toBe(`${"a".repeat(4000)}${"b".repeat(96)}...`);
});

test("a chunk that does not fit is cut; what it lay in may be used again", () => {
  const output = new ExecOutput();
  const chunk = Buffer.alloc(5000, "x");
  output.take(chunk);
  chunk.fill("y");
  expect(output.toString()).toBe(`${"x".repeat(4096)}...`);
});
