import { expect, test } from "vitest";
import { numbersOf, sharedDevices } from "./device-nodes.ts";

test("a device of the host by its place in the container, with what it may do", async () => {
  const [found, ...others] = await sharedDevices([{ source: "/dev/null", target: "/dev/nil", access: "r" }]);
  expect(others).toEqual([]);
  expect(found?.device).toMatchObject({ type: "c", path: "/dev/nil", major: 1, minor: 3, fileMode: 0o666 });
  expect(found?.rule).toEqual({ allow: true, type: "c", major: 1, minor: 3, access: "r" });
});

test("what is no device is refused", async () => {
  const at = (source: string) => sharedDevices([{ source, target: source, access: "rwm" }]);
  await expect(at("/dev/nothing-here")).rejects.toThrow(
    'error gathering device information while adding custom device "/dev/nothing-here": no such file or directory',
  );
  await expect(at("/etc/passwd")).rejects.toMatchObject({ kind: "invalid" });
});

test("a device's number in its halves", () => {
  expect(numbersOf(0x103)).toEqual({ major: 1, minor: 3 });
  expect(numbersOf(286_327_664)).toEqual({ major: 259, minor: 70_000 });
});
