import { afterEach, expect, test } from "vitest";
import { forwardDropWarnings } from "../../src/daemon/forward-drops.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** Firewalls of others that would drop what tasks send and are sent: told, and never touched. */

let host: TestHost | undefined;
afterEach(() => host?.dispose());

test("a forward chain that drops is told, until its table lets our devices through", async () => {
  const on = await makeTestHost();
  host = on;
  const nft = (...words: string[]) => on.run(["nft", ...words]);
  const warnings = () => forwardDropWarnings("sh", nft);
  expect(await warnings()).toEqual([]);
  await nft(
    "add table inet mine; add chain inet mine look { type filter hook forward priority 0; policy accept; }",
  );
  await nft(
    "add table ip filter; add chain ip filter INPUT { type filter hook input priority 0; policy drop; }",
  );
  expect(await warnings()).toEqual([]);
  await nft("add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }");
  expect(await warnings()).toEqual([
    "WARNING: chain FORWARD of nftables table ip filter drops forwarded packets: tasks may not reach the outside, nor be reached at published ports, until it accepts what comes from or goes to devices sh-*",
  ]);
  await nft('add rule ip filter FORWARD iifname "other-*" accept');
  expect(await warnings()).toHaveLength(1);
  await nft('add rule ip filter FORWARD iifname "sh-*" accept');
  expect(await warnings()).toEqual([]);
});

test("Docker's own firewall, as iptables says it, is told too", async () => {
  const on = await makeTestHost();
  host = on;
  const nft = (...words: string[]) => on.run(["nft", ...words]);
  await on.run(["iptables-nft", "-P", "FORWARD", "DROP"]);
  expect(await forwardDropWarnings("sh", nft)).toHaveLength(1);
  for (const way of ["-i", "-o"])
    await on.run(["iptables-nft", "-A", "FORWARD", way, "sh-+", "-j", "ACCEPT"]);
  expect(await forwardDropWarnings("sh", nft)).toEqual([]);
});
