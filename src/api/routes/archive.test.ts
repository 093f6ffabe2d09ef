import { expect, test } from "vitest";
import { FakeClock } from "../../lib/index.ts";
import { aContainerInfo } from "../backends.fake.ts";
import { ServedNode } from "../served-node.fake.ts";

const ID = "ab".repeat(32);
const STAT = { name: "etc", size: 4096, mode: 0o040755, mtime: 1_600_000_000_123_000_000n, linkTarget: "" };

async function served(): Promise<ServedNode> {
  const node = await ServedNode.start(new FakeClock());
  node.backends.containers.put(aContainerInfo({ id: ID, name: "web" }));
  node.backends.containers.trees.stats.set("/etc", STAT);
  return node;
}

test("what a path is comes in a header, with the archive too", async () => {
  await using node = await served();
  node.backends.containers.trees.archives.set("/etc", Buffer.from("an archive"));
  for (const method of ["HEAD", "GET"] as const) {
    const { status, headers, text } = await node.ask(method, "/containers/web/archive?path=%2Fetc");
    expect([method, status, text]).toEqual([method, 200, method === "GET" ? "an archive" : ""]);
    const said = Buffer.from(String(headers["x-docker-container-path-stat"]), "base64").toString();
    expect(JSON.parse(said)).toEqual({
      ...{ name: "etc", size: 4096, mode: 0x80000000 + 0o755, linkTarget: "" },
      mtime: "2020-09-13T12:26:40.123Z",
    });
  }
});

test("an archive goes in as it is sent", async () => {
  await using node = await served();
  const path = "/containers/web/archive?path=/etc&noOverwriteDirNonDir=true&copyUIDGID=1";
  expect((await node.ask("PUT", path, { body: "an archive" })).status).toBe(200);
  expect((await node.ask("PUT", "/containers/web/archive?path=/etc", { body: "another" })).status).toBe(200);
  const { trees } = node.backends.containers;
  expect(trees.written).toEqual([
    { path: "/etc", keepsKinds: true, asUser: true },
    { path: "/etc", keepsKinds: false, asUser: false },
  ]);
  expect(Buffer.from(trees.archives.get("/etc")!).toString()).toBe("another");
});

test("no path, no such path, no such container: Docker's words", async () => {
  await using node = await served();
  const said = async (path: string) => {
    const { status, text } = await node.ask("GET", path);
    return [status, JSON.parse(text).message];
  };
  expect(await said("/containers/web/archive")).toEqual([400, "bad parameter: path cannot be empty"]);
  expect(await said("/containers/web/archive?path=/no")).toEqual([
    404,
    "Could not find the file /no in container web",
  ]);
  expect(await said("/containers/none/archive?path=/etc")).toEqual([404, "No such container: none"]);
  expect(await said("/containers/none/export")).toEqual([404, "No such container: none"]);
  expect(await said("/containers/none/changes")).toEqual([404, "No such container: none"]);
});

test("an export is the archive of all, and changes are a list", async () => {
  await using node = await served();
  node.backends.containers.trees.archives.set("/", Buffer.from("all"));
  node.backends.containers.trees.changed = [{ kind: "deleted", path: "/etc/motd" }];
  expect((await node.ask("GET", "/containers/web/export")).text).toBe("all");
  expect(JSON.parse((await node.ask("GET", "/containers/web/changes")).text)).toEqual([
    { Path: "/etc/motd", Kind: 2 },
  ]);
});
