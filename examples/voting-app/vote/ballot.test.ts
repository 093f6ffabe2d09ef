import { expect, test } from "vitest";
import { ballotOf, cookieOf, voterOf } from "./ballot.ts";

test("a voter is known by the cookie", () => {
  expect(voterOf({ voter_id: "00ff00ff00ff00ff" })).toBe("00ff00ff00ff00ff");
  expect(cookieOf("00ff")).toMatch(/^voter_id=00ff;/);
});

test.each([undefined, "", "Robert'); DROP TABLE votes;--", "f".repeat(33)])(
  "with the cookie %j, one is somebody new",
  (cookie) => {
    const voter = voterOf(cookie === undefined ? {} : { voter_id: cookie });
    expect(voter).toMatch(/^[0-9a-f]{16}$/);
    expect(voterOf(cookie === undefined ? {} : { voter_id: cookie })).not.toBe(voter);
  },
);

test("only the choices there are make a ballot, in the original app's words", () => {
  expect(JSON.stringify(ballotOf("1f", "a"))).toBe('{"voter_id":"1f","vote":"a"}');
  expect([null, "", "c", "A"].map((choice) => ballotOf("1f", choice))).toEqual(Array(4).fill(undefined));
});
