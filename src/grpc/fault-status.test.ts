import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { FAULT_KINDS, Fault } from "../lib/index.ts";
import { faultOf, statusOf } from "./fault-status.ts";

test("every kind has a status of its own and comes back as itself, with its words", () => {
  const codes = new Set<status>();
  for (const kind of FAULT_KINDS) {
    const sent = statusOf(new Fault(kind, "cannot do it: 100 % — nein"));
    codes.add(sent.code);
    expect(faultOf(sent)).toMatchObject({ kind, message: "cannot do it: 100 % — nein" });
    expect(faultOf(sent, "etcd Put")).toMatchObject({
      kind,
      message: "etcd Put: cannot do it: 100 % — nein",
    });
  }
  expect(codes.size).toBe(FAULT_KINDS.length);
  expect(codes).not.toContain(status.OK);
});

test("what is no Fault is internal, and so are statuses we do not use", () => {
  expect(statusOf(new TypeError("x is undefined"))).toEqual({
    code: status.INTERNAL,
    details: "x is undefined",
  });
  expect(faultOf({ code: status.DATA_LOSS, details: "torn" })).toMatchObject({
    kind: "internal",
    message: "torn",
  });
  expect(faultOf(new Error("no code"))).toMatchObject({ kind: "internal", message: "no code" });
});

test("words fit into a header", () => {
  const { details } = statusOf(new Fault("invalid", `\ud83d ${"x".repeat(10_000)}`));
  expect(details).toHaveLength(2_000);
  expect(details.startsWith("\ufffd x")).toBe(true);
  expect(encodeURI(details)).toContain("%EF%BF%BD");
});
