import fc from "fast-check";
import { expect, test } from "vitest";
import { deviceOf, optionsProblem, resolveServer, withoutPassword } from "./volume-options.ts";

const nfs = { type: "nfs", o: "addr=files.lan,rw,nolock", device: ":/exports/a" };

test.each<[Record<string, string>, string | undefined]>([
  [{}, undefined],
  [nfs, undefined],
  [{ type: "none", o: "bind", device: "/srv" }, undefined],
  [{ type: "tmpfs", device: "tmpfs" }, undefined],
  [{ size: "0" }, undefined],
  [{ size: "10m" }, "quota size requested but no quota support"],
  [{ kind: "nfs" }, 'invalid option: "kind"'],
  [{ type: "nfs" }, 'missing required option: "device"'],
  [{ device: "/dev/sdb" }, 'missing required option: "type"'],
  [{ o: "bind" }, 'missing required option: "device"'],
  [{ o: "bind", device: "/srv" }, 'missing required option: "type"'],
  [{ type: "cifs", device: "//nas:445/a" }, "port not allowed in CIFS device URL, include 'port' in 'o='"],
  [{ type: "cifs", device: "//nas/a" }, undefined],
])("options %j", (options, problem) => {
  expect(optionsProblem(options)).toBe(problem);
});

const lookup = async (name: string) => {
  if (name === "nowhere") throw new Error("getaddrinfo ENOTFOUND nowhere");
  return `10.9.0.${name.length}`;
};

test.each([
  [nfs, { o: "addr=10.9.0.9,rw,nolock" }],
  [{ ...nfs, o: "rw,addr=files" }, { o: "rw,addr=10.9.0.5" }],
  [{ ...nfs, o: "addr=10.1.2.3,rw" }, {}],
  [{ ...nfs, o: "rw" }, {}],
  [{ type: "none", o: "bind,addr=files", device: "/srv" }, {}],
  [{ type: "cifs", o: "username=u", device: "//nas/share" }, { device: "//10.9.0.3/share" }],
  [{ type: "cifs", o: "username=u", device: "//10.0.0.4/share" }, {}],
  [{ type: "cifs", o: "addr=nas", device: "//nas/share" }, { o: "addr=10.9.0.3" }],
])("a server is given by number: %j", async (options, changed) => {
  const { type, o, device } = { ...options, ...changed };
  expect(await resolveServer(deviceOf(options)!, lookup)).toEqual({ type, options: o, device });
});

test("a server that nobody knows is said by name, in Docker's words", async () => {
  const wanted = deviceOf({ ...nfs, o: "addr=nowhere,rw" })!;
  await expect(resolveServer(wanted, lookup)).rejects.toMatchObject({
    kind: "unavailable",
    message:
      "error resolving passed in network volume address: lookup nowhere: getaddrinfo ENOTFOUND nowhere",
  });
});

test("no password is told, wherever it stands", () => {
  const word = fc.stringMatching(/^[a-z0-9=.-]{1,12}$/);
  const secret = word.map((text) => `s3cret${text}`);
  const name = fc.constantFrom("password", "pass", "password2");
  fc.assert(
    fc.property(fc.array(word), name, secret, fc.array(word), (before, key, value, after) => {
      const told = withoutPassword([...before, `${key}=${value}`, ...after].join(","));
      expect(told).not.toContain("s3cret");
      expect(told).toBe([...before, `${key}=********`, ...after].join(","));
    }),
  );
});
