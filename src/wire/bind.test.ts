import { expect, test } from "vitest";
import { bindFromWire } from "./bind.ts";

test.each([
  ["/srv:data", "bind"],
  ["data:relative", "volume"],
])("%s has a target that is not absolute, and is called a %s, as Docker calls it", (text, type) => {
  const target = text.split(":")[1];
  expect(() => bindFromWire(text)).toThrow(
    `invalid volume specification: '${text}': invalid mount config for type "${type}": invalid mount path: '${target}' mount path must be absolute`,
  );
});
