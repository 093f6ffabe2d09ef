import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "./config.ts";
import { hostResolver } from "./host-resolver.ts";

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "shoal-resolv-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "resolv.conf"), text);
  return join(folder, "resolv.conf");
}

test("the machine's resolver is read: all name servers, the last search line", () => {
  const file = fileOf(
    "# x\nnameserver 192.0.2.1\ndomain old.example\nsearch a.example b.example\nnameserver 192.0.2.2\n",
  );
  expect(hostResolver(readConfig([]), file)).toEqual({
    upstreams: ["192.0.2.1", "192.0.2.2"],
    search: ["a.example", "b.example"],
  });
});

test("settings win, and a machine without the file has nobody to ask", () => {
  const config = readConfig(["--dns", "192.0.2.9", "--dns-search", "c.example"]);
  const file = fileOf("nameserver 192.0.2.1\nsearch a.example\n");
  expect(hostResolver(config, file)).toEqual({ upstreams: ["192.0.2.9"], search: ["c.example"] });
  expect(hostResolver(readConfig([]), "/no/such/file")).toEqual({ upstreams: [], search: [] });
});
