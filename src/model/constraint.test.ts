import fc from "fast-check";
import { expect, test } from "vitest";
import { isSpreadDescriptor, labelOf, meetsAll, parseConstraint } from "./constraint.ts";
import type { Node } from "./node.ts";
import { aNode } from "./objects.fake.ts";

const plain = aNode("id-1");
const node: Node = {
  ...plain,
  role: "manager",
  spec: { ...plain.spec, labels: { disk: "SSD", Zone: "a" } },
  status: { ...plain.status, address: "10.9.0.7" },
  description: { ...plain.description!, hostname: "alder", engineLabels: { gpu: "yes" } },
};
const silent: Node = (({ description: _, ...rest }) => rest)(node);

/* The first two are swarmkit's own (manager/constraint/constraint_test.go TestParse); the words are constraint.go's. */
test.each([
  ["", "constraint expected one operator from ==, !="],
  [" ", "constraint expected one operator from ==, !="],
  ["nodeabc", "constraint expected one operator from ==, !="],
  ["node ~ abc", "constraint expected one operator from ==, !="],
  ["node.labels.a=b", "constraint expected one operator from ==, !="],
  ["1node==a2", "key '1node' is invalid"],
  ["no de== node1", "key 'no de' is invalid"],
  ["no*de==node1", "key 'no*de' is invalid"],
  ["no$de==node1", "key 'no$de' is invalid"],
  ["==node1", "key '' is invalid"],
  ["a==b", "key 'a' is invalid"],
  ["a!=b==c", "key 'a!=b' is invalid"],
  ["node==", "value '' is invalid"],
  ["node== ", "value '' is invalid"],
  ["node===a", "value '=a' is invalid"],
  ["node==é", "value 'é' is invalid"],
])("%j is refused: %s", (text, message) => {
  expect(() => parseConstraint(text)).toThrow(message);
});

test.each([
  [" node == node1", { key: "node", operator: "==", value: "node1" }],
  ["NoDe!=node1", { key: "NoDe", operator: "!=", value: "node1" }],
  ["no.de==node1", { key: "no.de", operator: "==", value: "node1" }],
  ["_node==_node1", { key: "_node", operator: "==", value: "_node1" }],
  ["node==[a-b]+c*(n|b)/", { key: "node", operator: "==", value: "[a-b]+c*(n|b)/" }],
  ["node==node 1", { key: "node", operator: "==", value: "node 1" }],
])("%j is read", (text, read) => {
  expect(parseConstraint(text)).toEqual(read);
});

test.each([
  ["node.id==id-1", true],
  ["node.id!=ID-1", false],
  ["NODE.Hostname==ALDER", true],
  ["node.hostname==alde", false],
  ["node.hostname!=al*", true],
  ["node.role==manager", true],
  ["node.role==worker", false],
  ["node.ip==10.9.0.7", true],
  ["node.ip!=10.9.0.7", false],
  ["node.ip==10.9.0.0/24", true],
  ["node.ip!=10.9.0.0/24", false],
  ["node.ip!=10.8.0.0/16", true],
  ["node.ip==2001:db8::2", false],
  ["node.ip!=2001:db8::2", true],
  ["node.ip==nonsense", false],
  ["node.ip!=nonsense", false],
  ["node.platform.os==Linux", true],
  ["node.platform.arch==x86_64", true],
  ["node.platform.arch==amd64", true],
  ["node.platform.arch!=AMD64", false],
  ["node.platform.arch!=aarch64", true],
  ["node.labels.disk==ssd", true],
  ["Node.Labels.disk==ssd", true],
  ["node.labels.Disk==ssd", false],
  ["node.labels.Zone!=b", true],
  ["node.labels.none!=x", true],
  ["node.labels.none==x", false],
  ["node.labels.toString!=x", true],
  ["engine.labels.gpu==yes", true],
  ["engine.labels.gpu!=yes", false],
  ["engine.labels.disk==ssd", false],
  ["node.labels.==x", false],
  ["node.name==alder", false],
  ["node.name!=alder", false],
  ["constructor!=x", false],
])("%s: %s", (constraint, meets) => {
  expect(meetsAll([constraint], node)).toBe(meets);
});

test("of a node that has not described itself, only != holds", () => {
  for (const key of ["node.hostname", "node.platform.os", "node.platform.arch", "engine.labels.gpu"]) {
    expect([meetsAll([`${key}==alder`], silent), meetsAll([`${key}!=alder`], silent)]).toEqual([false, true]);
  }
});

test("all must hold; what cannot be read holds for nobody", () => {
  expect(meetsAll([], node)).toBe(true);
  expect(meetsAll(["node.id==id-1", "node.role==manager"], node)).toBe(true);
  expect(meetsAll(["node.id==id-1", "node.role!=manager"], node)).toBe(false);
  expect(meetsAll(["node.id==id-1", "what"], node)).toBe(false);
});

test("for a known key, exactly one of == and != holds", () => {
  const key = fc.constantFrom("node.id", "node.role", "node.labels.disk", "engine.labels.x", "node.hostname");
  const value = fc.constantFrom("id-1", "manager", "ssd", "alder", "other");
  const who = fc.constantFrom(node, silent, plain);
  fc.assert(
    fc.property(key, value, who, (k, v, n) => {
      expect(meetsAll([`${k}==${v}`], n)).toBe(!meetsAll([`${k}!=${v}`], n));
    }),
  );
});

test("spread preferences speak of labels only", () => {
  expect(labelOf("node.labels.Zone", node)).toBe("a");
  expect(labelOf("engine.LABELS.gpu", node)).toBe("yes");
  expect(labelOf("node.labels.none", node)).toBe("");
  expect(labelOf("engine.labels.gpu", silent)).toBe("");
  expect(labelOf("node.hostname", node)).toBeUndefined();
  expect(["node.labels.x", "engine.labels.x", "node.labels.", "node.id"].map(isSpreadDescriptor)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
