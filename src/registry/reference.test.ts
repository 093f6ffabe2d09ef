import fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf } from "./digest.ts";
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";

const DIGEST = digestOf("x");

test.each([
  ["redis", "docker.io/library/redis:latest", "redis:latest"],
  ["redis:3.2", "docker.io/library/redis:3.2", "redis:3.2"],
  ["user/app", "docker.io/user/app:latest", "user/app:latest"],
  ["docker.io/library/redis", "docker.io/library/redis:latest", "redis:latest"],
  ["index.docker.io/redis", "docker.io/library/redis:latest", "redis:latest"],
  ["localhost/a", "localhost/a:latest", "localhost/a:latest"],
  ["host:5000/a/b:tag", "host:5000/a/b:tag", "host:5000/a/b:tag"],
  ["HOST/a", "HOST/a:latest", "HOST/a:latest"],
  ["[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"],
  ["a.b/c__d.e-f/g", "a.b/c__d.e-f/g:latest", "a.b/c__d.e-f/g:latest"],
  [`redis:3.2@${DIGEST}`, `docker.io/library/redis:3.2@${DIGEST}`, `redis:3.2@${DIGEST}`],
  [`redis@${DIGEST}`, `docker.io/library/redis@${DIGEST}`, `redis@${DIGEST}`],
])("%s is %s, shown as %s", (text, full, familiar) => {
  const ref = withDefaultTag(parseReference(text));
  expect(formatReference(ref)).toBe(full);
  expect(familiarReference(ref)).toBe(familiar);
});

test.each([
  ["", "invalid reference format"],
  [":tag", "invalid reference format"],
  ["a//b", "invalid reference format"],
  ["a:", "invalid reference format"],
  ["a@sha256:12", "invalid reference format"],
  ["-a", "invalid reference format"],
  ["a b", "invalid reference format"],
  ["https://github.com/x", "invalid reference format"],
  ["Redis", "invalid reference format: repository name (library/Redis) must be lowercase"],
  ["host:5000/A/b:Tag", "invalid reference format: repository name (A/b) must be lowercase"],
  [`a@sha256:${"0".repeat(63)}`, "invalid checksum digest length"],
  [`a@md5:${"0".repeat(32)}`, "unsupported digest algorithm"],
  ["a".repeat(256), "repository name must not be more than 255 characters"],
  ["a".repeat(64), `invalid repository name (${"a".repeat(64)}), cannot specify 64-byte hexadecimal strings`],
])("%s is refused in Docker's words", (text, message) => {
  expect(() => parseReference(text)).toThrow(expect.objectContaining({ kind: "invalid", message }));
});

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const domain = fc.oneof(
  fc.tuple(word, fc.integer({ min: 1, max: 65535 })).map(([host, port]) => `${host}:${port}`),
  word.map((host) => `${host}.example`),
  fc.constantFrom("docker.io", "localhost"),
);
const references: fc.Arbitrary<Reference> = fc
  .tuple(
    domain,
    path,
    fc.option(fc.stringMatching(/^[\w][\w.-]{0,20}$/)),
    fc.option(fc.string().map(digestOf)),
  )
  .map(([host, name, tag, digest]) => ({
    domain: host,
    path: host === "docker.io" && !name.includes("/") ? `library/${name}` : name,
    ...(tag !== null && { tag }),
    ...(digest !== null && { digest }),
  }));

test("formatting and parsing are each other's inverse, in full and in familiar form", () => {
  fc.assert(
    fc.property(references, (ref) => {
      expect(parseReference(formatReference(ref))).toEqual(ref);
      expect(parseReference(familiarReference(ref))).toEqual(ref);
      expect(parseReference(familiarName(ref)).path).toBe(ref.path);
    }),
  );
});

test("any text is either parsed into something stable or refused as invalid", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9:@/._-]{0,40}$/)), (text) => {
      try {
        const ref = parseReference(text);
        expect(parseReference(formatReference(ref))).toEqual(ref);
      } catch (error) {
        expect(error).toMatchObject({ kind: "invalid" });
      }
    }),
  );
});
