import { expect, test } from "vitest";
import { JsonTexts } from "./json-texts.ts";

test("an object is put in words once, and again when what stands beside it was replaced", () => {
  const texts = new JsonTexts<object>();
  const [object, front, back] = [{ a: 1 }, { bits: 24 }, { bits: 16 }];
  let made = 0;
  const say = (one: object, beside: object[]) => texts.of(one, beside, () => ({ one, beside, n: ++made }));
  const first = say(object, [front]);
  expect(JSON.parse(first)).toEqual({ one: object, beside: [front], n: 1 });
  expect(say(object, [front])).toBe(first);
  expect(JSON.parse(say(object, [back]))).toEqual({ one: object, beside: [back], n: 2 });
  expect(JSON.parse(say(object, [back, front])).n).toBe(3);
  expect(JSON.parse(say({ a: 1 }, [front])).n, "another object that looks the same").toBe(4);
});
