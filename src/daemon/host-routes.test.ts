import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostRoutes } from "./host-routes.ts";

test("where the host's routes lead, as the kernel lists them: not by devices of ours, and not everywhere", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-routes-"));
  const file = join(folder, "route");
  const rows = [
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
    "eth0\t00000000\t0107A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "eth0\t0007A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
    "tun1\t0000140A\t00000000\t0001\t0\t0\t0\t0000FCFF\t0\t0\t0",
    "sh-br\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
  ];
  try {
    writeFileSync(file, `${rows.join("\n")}\n`);
    expect(hostRoutes((device) => device.startsWith("sh-"), file)).toEqual([
      "192.168.7.0/24",
      "10.20.0.0/14",
    ]);
    expect(hostRoutes(() => false, join(folder, "none"))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
