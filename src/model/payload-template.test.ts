import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aService, aTask } from "./objects.fake.ts";
import { checkPayload, expandPayload, type PayloadSource, payloadText } from "./payload-template.ts";
import { templateContextOf } from "./template.ts";

const node = { hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } };
const context = templateContextOf(aTask(aService("web"), 3, { nodeId: "n1" }), node);
const source: PayloadSource = {
  env: (name) => (name === "A" ? "a" : ""),
  secret: (target) => `<${target}>`,
  config: (target) => `[${target}]`,
};

test.each([
  ['listen {{.Node.Hostname}}:{{env "A"}}', "listen host-1:a"],
  ['{{env "NOPE"}}', ""],
  ['{{secret "token"}}/{{config "/etc/site.conf"}}', "<token>/[/etc/site.conf]"],
  ['{{if eq (env "A") "a"}}{{join "-" .Service.Name .Task.Slot}}{{end}}', "web-3"],
  ['{{"token" | secret | printf "%q"}}', '"<token>"'],
])("%s says %s", (text, says) => {
  checkPayload(text);
  expect(expandPayload(text, context, source)).toBe(says);
});

test.each([
  ["{{env}}", /"env" takes 1 values, not 0/],
  ['{{secret "a" "b"}}', /"secret" takes 1 values, not 2/],
  ["{{file `x`}}", /there is no function "file": there is join, .*env, secret, config/],
])("%s is refused at the door, and on the node", (text, why) => {
  expect(() => checkPayload(text)).toThrow(why);
  expect(() => expandPayload(text, context, source)).toThrow(why);
});

test("a payload may be longer than a variable, and not without end", () => {
  const long = "x".repeat(900_000);
  const big = { ...source, config: () => long };
  expect(expandPayload(`${long}{{.Task.Slot}}`, context, big)).toHaveLength(900_001);
  expect(() => expandPayload('{{config "a"}}'.repeat(5), context, big)).toThrow(
    /a text of more than 4194304 characters/,
  );
});

describe("errors", () => {
  const hush = "hush-3f0c9a7e51d2 %s %d";
  const leaky = { ...source, secret: () => hush };
  test.each([
    '{{printf (secret "s") "x"}}',
    '{{index (secret "s") "a"}}',
    '{{join 1 (secret "s")}}',
    '{{(secret "s").x}}',
    '{{printf "%d" (secret "s")}}',
    '{{printf (secret "s") 1 2 3}}',
    '{{printf (secret "s") "x" 1 2}}',
    '{{eq (secret "s") 1}}',
  ])("%s says nothing of the secret", (text) => {
    expect(() => expandPayload(text, context, leaky)).toThrow(/^cannot (expand|read) template/);
    expect(() => expandPayload(text, context, leaky)).not.toThrow(/hush/);
  });
});

test("bytes are text, or refused with what they are", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const isText = Buffer.from(bytes).equals(Buffer.from(Buffer.from(bytes).toString("utf8")));
      if (isText) expect(Buffer.from(payloadText(bytes, "it"))).toEqual(Buffer.from(bytes));
      else expect(() => payloadText(bytes, "config site")).toThrow("config site is not text in UTF-8");
    }),
  );
  expect(payloadText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), "it")).toBe("\uFEFFa");
});
