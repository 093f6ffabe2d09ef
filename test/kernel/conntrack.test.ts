import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forgetConnections } from "../../src/kernel/conntrack.ts";
import type { NetlinkMessage } from "../../src/kernel/netlink/codec.ts";
import { NETLINK_NETFILTER, NetlinkSocket, type Refusal } from "../../src/kernel/netlink/socket.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

let host: TestHost;

beforeAll(async () => {
  host = await makeTestHost();
});

afterAll(() => host.dispose());

/** A connection as the kernel lists it: from a client's port to the VIP, translated to a backend. */
const connection = (port: number, backend: string): string[] =>
  [
    "--src 10.0.0.9 --dst 10.0.0.1 --proto tcp --dport 80 --timeout 60 --state ESTABLISHED",
    `--sport ${port} --reply-src ${backend} --reply-dst 10.0.0.9`,
    `--reply-port-src 80 --reply-port-dst ${port}`,
  ].flatMap((words) => words.split(" "));

function conntrack(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("conntrack", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`conntrack ${args[0]}: ${stderr}`);
  return stdout;
}

const backends = (): string[] =>
  [...conntrack("-L").matchAll(/sport=(\d+) .* src=(\S+) dst=10.0.0.9/g)]
    .map(([, port, backend]) => `${port} ${backend}`)
    .sort();

/** The kernel, and a client who uses its port anew as soon as the kernel has been read. */
class BusyKernel extends NetlinkSocket {
  readonly #meanwhile: () => void;

  constructor(meanwhile: () => void) {
    super(NETLINK_NETFILTER);
    this.#meanwhile = meanwhile;
  }

  override dump(type: number, ...body: readonly Buffer[]): NetlinkMessage[] {
    const messages = super.dump(type, ...body);
    this.#meanwhile();
    return messages;
  }
}

test("a connection that takes a forgotten one's port before it is forgotten stays", () => {
  host.inside(() => {
    for (const port of [5001, 5002]) conntrack("-I", ...connection(port, "10.0.0.2"));
    conntrack("-I", ...connection(5003, "10.0.0.3"));
    const kernel = new BusyKernel(() => {
      conntrack("-D", "--proto", "tcp", "--sport", "5001");
      conntrack("-I", ...connection(5001, "10.0.0.3"));
    });
    try {
      expect(
        forgetConnections(kernel, { gone: ["10.0.0.2"], left: [], opened: [], begun: [] }, () => undefined),
      ).toBeUndefined();
      expect(backends()).toEqual(["5001 10.0.0.3", "5003 10.0.0.3"]);
    } finally {
      kernel.close();
    }
  });
});

/** A kernel that does not let go of connections while they are in a flow table: Linux before the stable updates of June 2023. */
class OldKernel extends NetlinkSocket {
  isFull = true;

  constructor() {
    super(NETLINK_NETFILTER);
  }

  override request(...words: Parameters<NetlinkSocket["request"]>): Refusal | undefined {
    return this.isFull ? { errno: 16, text: "resource busy or locked" } : super.request(...words);
  }
}

test("where connections in a flow table cannot be forgotten, the table is emptied first", () => {
  host.inside(() => {
    conntrack("-F");
    for (const [port, backend] of [
      [5001, "10.0.0.2"],
      [5003, "10.0.0.3"],
    ] as const)
      conntrack("-I", ...connection(port, backend));
    const kernel = new OldKernel();
    const forget = (empty: () => void) =>
      forgetConnections(kernel, { gone: ["10.0.0.2"], left: [], opened: [], begun: [] }, empty);
    try {
      expect(forget(() => undefined)?.text).toBe("resource busy or locked");
      expect(backends()).toEqual(["5001 10.0.0.2", "5003 10.0.0.3"]);
      expect(
        forget(() => {
          kernel.isFull = false;
        }),
      ).toBeUndefined();
      expect(backends()).toEqual(["5003 10.0.0.3"]);
    } finally {
      kernel.close();
    }
  });
});
