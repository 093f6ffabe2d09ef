import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { NETLINK_ROUTE, NetlinkListener, NetlinkSocket } from "../../src/kernel/netlink/socket.ts";

/** linux/sock_diag.h: sockets of one protocol are listed. */
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const AF_INET = 2;
const NO_PROTOCOL = 250;

test("a list that the kernel breaks off is not taken for the whole one", () => {
  const socket = new NetlinkSocket(NETLINK_SOCK_DIAG);
  /** struct inet_diag_req_v2: family, protocol, …, states. */
  const asked = (protocol: number) => {
    const body = Buffer.alloc(56);
    body.set([AF_INET, protocol]);
    body.writeUInt32LE(0xffffffff, 4);
    return body;
  };
  try {
    expect(() => socket.dump(SOCK_DIAG_BY_FAMILY, asked(NO_PROTOCOL))).toThrow(
      "cannot read the kernel's network: no such file or directory",
    );
  } finally {
    socket.close();
  }
});

test("a socket that cannot be set up is closed again", () => {
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  expect(() => new NetlinkListener(NETLINK_ROUTE, [1 << 20])).toThrow("cannot set a netlink socket up");
  expect(count()).toBe(before);
});
