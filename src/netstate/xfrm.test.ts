import { expect, test } from "vitest";
import { diffNamespace } from "./diff.ts";
import { EMPTY_NAMESPACE } from "./node-network.ts";
import { describeOperation } from "./operations.ts";
import { printNamespace } from "./print.ts";
import { changedXfrm, type Xfrm } from "./xfrm.ts";

const port = 4790;
const secret = "0123456789".repeat(4);
const pair = { source: "192.0.2.1", destination: "192.0.2.2", port };
const epoch = (spi: number): Xfrm => ({
  states: [{ ...pair, spi, key: secret }],
  policies: [
    { direction: "in", port },
    { direction: "out", port },
    { direction: "out", ...pair, spi },
  ],
});
const namespace = (xfrm: Xfrm) => ({ ...EMPTY_NAMESPACE, xfrm });
const words = (now: Parameters<typeof diffNamespace>[0], want = EMPTY_NAMESPACE) =>
  diffNamespace(now, want).map(describeOperation);

test("a new key is there before it is used, and the old one goes after that", () => {
  expect(words(namespace(epoch(300)), namespace(epoch(301)))).toEqual([
    "put xfrm state src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x0000012d dport 4790 mode transport",
    "put xfrm policy src 192.0.2.1 dst 192.0.2.2 proto udp dport 4790 dir out tmpl esp spi 0x0000012d level required",
    "remove xfrm state src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x0000012c dport 4790 mode transport",
  ]);
});

test("policies are there before links, and stay until links are gone", () => {
  const links = [{ kind: "bridge", name: "sh-br" } as const];
  const both = { ...namespace(epoch(300)), links };
  const order = (list: readonly string[]) =>
    list.map((text) => text.replace(/^(\w+ )(xfrm \w+|\w+).*/, "$1$2"));
  expect(order(words(EMPTY_NAMESPACE, both)).at(-1)).toBe("add link");
  expect(order(words(both))[0]).toBe("remove link");
});

test("what is done makes the difference vanish", () => {
  const todo = diffNamespace(EMPTY_NAMESPACE, namespace(epoch(300)));
  let now: Xfrm | undefined;
  for (const operation of todo)
    if (operation.op.includes("xfrm")) now = changedXfrm(now, operation as Parameters<typeof changedXfrm>[1]);
  expect(diffNamespace({ ...EMPTY_NAMESPACE, ...(now && { xfrm: now }) }, namespace(epoch(300)))).toEqual([]);
  const [state] = epoch(300).states;
  const other = { ...epoch(300), states: [{ ...state!, key: "f".repeat(40) }] };
  expect(diffNamespace(namespace(epoch(300)), namespace(other)).map(({ op }) => op)).toEqual([
    "put-xfrm-state",
  ]);
});

test("no key is ever printed", () => {
  const text = `${printNamespace(namespace(epoch(300)))}${words(EMPTY_NAMESPACE, namespace(epoch(300)))}`;
  expect(text).toContain("spi 0x0000012c");
  expect(text).not.toContain(secret.slice(0, 10));
});
