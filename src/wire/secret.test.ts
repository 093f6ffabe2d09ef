import fc from "fast-check";
import { expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { aSecret } from "../model/objects.fake.ts";
import { secretSpecFromWire, secretToWire, secretUpdateFromWire } from "./secret.ts";

const kind = fc.constantFrom("secret" as const, "config" as const);
const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");

test("any bytes go in as they are, in base64 of any line length", () => {
  fc.assert(
    fc.property(kind, fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(80), (of, bytes, width) => {
      const data = base64(bytes);
      const Data = width < 4 ? data : data.replace(new RegExp(`.{${width}}`, "g"), "$&\r\n");
      expect(secretSpecFromWire(of, { Name: "a", Data }).data).toBe(data);
    }),
  );
});

test("a refusal never quotes the data", () => {
  const word = "hush-3f0c9a7e51d2";
  const places = fc.constantFrom("Name", "Labels", "Data", "Driver", "Templating", "More");
  const values = fc.constantFrom<unknown>(7, null, [], { a: 1 }, "%%", `${word}%`, [word], { Name: word });
  fc.assert(
    fc.property(kind, places, values, (of, place, value) => {
      const body = { Name: "-bad", Data: base64(word), [place]: value };
      for (const read of [secretSpecFromWire, secretUpdateFromWire]) {
        try {
          read(of, body);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
          expect((error as Fault).message).not.toContain(word);
          expect((error as Fault).message).not.toContain(base64(word));
        }
      }
    }),
  );
});

test("a secret is shown without its data, a config with it", () => {
  const one = aSecret("token", { labels: { a: "1" } });
  expect(JSON.stringify(secretToWire("secret", one))).not.toContain(one.spec.data);
  expect(secretToWire("config", one)).toMatchObject({
    Spec: { Name: "token", Labels: { a: "1" }, Data: one.spec.data },
  });
});

test("a template is checked at the door, and shown", () => {
  const body = (text: string | Uint8Array, Name = "golang") => ({
    Name: "site",
    Data: base64(text),
    Templating: { Name },
  });
  const spec = secretSpecFromWire("config", body('listen {{.Node.Hostname}}:{{env "PORT"}}'));
  expect(spec.templating).toEqual({ name: "golang", options: {} });
  expect(secretToWire("secret", aSecret("site", spec))).toMatchObject({
    Spec: { Templating: { Name: "golang" } },
  });
  const refused = (...words: Parameters<typeof body>) =>
    expect(() => secretSpecFromWire("secret", body(...words)));
  refused("x", "jinja").toThrow('unrecognized template type "jinja": golang is the one that there is');
  refused("{{.Task.Slott}}").toThrow("there is no .Slott in .Task");
  refused(Uint8Array.of(0xff, 0x41)).toThrow("the secret is not text in UTF-8");
});
