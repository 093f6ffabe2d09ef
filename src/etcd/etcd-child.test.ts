import { expect, test } from "vitest";
import { complaintIn } from "./etcd-child.ts";

// Lines as etcd 3.4.23 wrote them, shortened at the stack trace.
test.each([
  [
    '{"level":"warn","caller":"auth/store.go:1380","msg":"simple token is not cryptographically signed"}',
    undefined,
  ],
  [
    '{"level":"panic","msg":"failed to open database","path":"/d/member/snap/db","error":"invalid database"}',
    "failed to open database: invalid database",
  ],
  [
    '{"level":"fatal","msg":"discovery failed","error":"wal: max entry size limit exceeded"}',
    "discovery failed: wal: max entry size limit exceeded",
  ],
  ["flag provided but not defined: -nonsense", "flag provided but not defined: -nonsense"],
  ["", undefined],
  ['{"level":"fatal', undefined],
])("complaintIn(%s)", (line, complaint) => {
  expect(complaintIn(line)).toBe(complaint);
});
