import { describe, expect, test } from "vitest";
import { resolveUser } from "./user.ts";

const files = {
  passwd:
    "# comment\nroot:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\nbroken\n12:x:77:78::/:/bin/sh\nbig:x:9999999999:1::/:\n",
  group: "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nlate:x:1003:\nten:x:11:app,root\n10:x:99:\n",
};

describe("who process 1 is", () => {
  test.each([
    ["", 0, 0, [0, 10, 11]],
    ["root", 0, 0, [0, 10, 11]],
    ["app", 1000, 1001, [1001, 10, 11]],
    ["1000", 1000, 1001, [1001, 10, 11]],
    ["app:late", 1000, 1003, [1003]],
    ["app:5", 1000, 5, [5]],
    [":late", 0, 1003, [1003]],
    ["4242", 4242, 0, [0]],
    ["4242:4343", 4242, 4343, [4343]],
    // A number is always a number, whatever the files call it.
    ["12", 12, 0, [0]],
    ["5:10", 5, 10, [10]],
  ])("%j", (user, uid, gid, additionalGids) => {
    expect(resolveUser(user, [], files)).toEqual({ uid, gid, additionalGids });
  });

  test("extra groups come after the main and the own ones, each once", () => {
    expect(resolveUser("app", ["late", "77", "wheel"], files).additionalGids).toEqual([
      1001, 10, 11, 1003, 77,
    ]);
  });

  test("names that are not there are refused, in Docker's words", () => {
    const said = "unable to find user x: no matching entries in passwd file";
    expect(() => resolveUser("x", [], files)).toThrow(said);
    expect(() => resolveUser("big", [], files)).toThrow("unable to find user big");
    expect(() => resolveUser("99999999999", [], files)).toThrow("unable to find user");
    expect(() => resolveUser("-1", [], files)).toThrow("unable to find user -1");
    expect(() => resolveUser("app:x", [], files)).toThrow(
      "unable to find group x: no matching entries in group file",
    );
    expect(() => resolveUser("", ["x"], files)).toThrow("unable to find group x");
  });

  test("an image without user files still has numbers", () => {
    const none = { passwd: "", group: "" };
    expect(resolveUser("", [], none)).toEqual({ uid: 0, gid: 0, additionalGids: [0] });
    expect(resolveUser("7:8", ["9"], none)).toEqual({ uid: 7, gid: 8, additionalGids: [8, 9] });
  });
});
