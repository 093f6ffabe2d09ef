import { expect, test } from "vitest";
import { z } from "zod";
import { goStruct, listOf, maybe, natural, readJson, text } from "./json.ts";

const schema = goStruct({
  Name: text,
  Mode: maybe(goStruct({ Replicas: natural })),
  Ports: listOf(goStruct({ Port: natural })),
});
const read = (value: unknown) => readJson(schema, value, "thing");

test("fields are known in any case, at any depth, and the last of two counts", () => {
  expect(read({ NAME: "a", mode: { replicas: 2 }, ports: [{ PORT: 80 }] })).toEqual({
    Name: "a",
    Mode: { Replicas: 2 },
    Ports: [{ Port: 80 }],
  });
  expect(read({ Name: "a", name: "b" })).toMatchObject({ Name: "b" });
});

test("unknown fields are named as they came, and nothing is taken for an object that is none", () => {
  expect(() => read({ mode: { Size: 1 } })).toThrow("invalid thing: unknown field Mode.Size");
  expect(() => read(JSON.parse('{"__proto__": {"Name": "x"}}'))).toThrow("unknown field __proto__");
  for (const value of ["x", 1, true, []])
    expect(() => read(value), JSON.stringify(value)).toThrow("invalid thing: ");
  expect(z.safeParse(schema, {}).data).toEqual({ Name: "", Mode: undefined, Ports: [] });
});
