import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lackOfSctp, portsInUse } from "./ports-in-use.ts";

test("who listens has a port, who is connected has not; a port is free again once its socket is closed", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const udp = createSocket("udp6").bind(0);
  await once(udp, "listening");
  const port = (server.address() as AddressInfo).port;
  const client = connect(port, "127.0.0.1");
  await once(client, "connect");
  const ports = portsInUse();
  expect(ports).toContain(`tcp/${port}`);
  expect(ports).toContain(`udp/${udp.address().port}`);
  expect(ports).not.toContain(`tcp/${client.localPort}`);
  const other = udp.address().port;
  client.destroy();
  server.close();
  udp.close();
  await once(udp, "close");
  // A child that some other thread of this process has just forked holds the socket until it starts its program.
  await expect.poll(portsInUse).not.toContain(`udp/${other}`);
});

test("the kernel's lists as they are printed; one that is missing says nothing", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-ports-"));
  const head =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const row = (local: string, remote: string, state: string) =>
    `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`;
  try {
    writeFileSync(
      join(folder, "tcp"),
      head +
        row("00000000:1F90", "00000000:0000", "0A") +
        row("0100007F:1F91", "00000000:0000", "0A") +
        row("0100007F:9C40", "0100007F:1F90", "01"),
    );
    const any = "00000000000000000000000000000000";
    writeFileSync(join(folder, "udp6"), head + row(`${any}:0035`, `${any}:0000`, "07"));
    expect([...portsInUse(folder)]).toEqual([
      ...["tcp/8080", "tcp/8080@*", "tcp/8081", "tcp/8081@127.0.0.1", "udp/53", "udp/53@*"],
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a kernel that follows connections but none of SCTP lacks it; one that follows none yet is not blamed", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-sctp-"));
  const add = (name: string) => writeFileSync(join(folder, name), "30\n");
  try {
    expect(lackOfSctp(folder)).toBe("");
    add("nf_conntrack_generic_timeout");
    expect(lackOfSctp(folder)).toContain("does not follow SCTP connections");
    add("nf_conntrack_sctp_timeout_established");
    expect(lackOfSctp(folder)).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
