import { expect, test } from "vitest";
import { exec, execOk } from "./exec.ts";

test("exec() gives both outputs and the exit code", async () => {
  const script = "console.log('out'); console.error('err'); process.exitCode = 3";
  expect(await exec([process.execPath, "-e", script])).toEqual({ code: 3, stdout: "out\n", stderr: "err\n" });
});

test("exec() writes input, and does not mind a child that ends without reading it", async () => {
  expect((await exec(["cat"], { input: "hello" })).stdout).toBe("hello");
  expect((await exec(["true"], { input: "x".repeat(1 << 22) })).code).toBe(0);
});

test("exec() of a program that is not there says which", async () => {
  await expect(exec(["no-such-program"])).rejects.toThrow("cannot run no-such-program");
});

test("exec() passes arguments as they are: no shell reads them", async () => {
  expect((await exec(["echo", "$HOME; ls `id`"])).stdout).toBe("$HOME; ls `id`\n");
});

test("the signal kills the child", async () => {
  const aborter = new AbortController();
  const running = exec(["cat", "/dev/zero"], { signal: aborter.signal });
  aborter.abort();
  await expect(running).rejects.toThrow("cannot run cat");
});

test("execOk() quotes standard error, and not the whole argument list", async () => {
  const failing = execOk(["sh", "-c", "echo broken >&2; exit 1", "sh", "s3cret"]);
  await expect(failing).rejects.toThrow("broken");
  await expect(failing).rejects.not.toThrow("s3cret");
});
