import { release } from "node:os";
import { expect, test } from "vitest";
import { execOk } from "../../src/sys/index.ts";

test("the guest runs Debian's own kernel", () => {
  expect(release()).toMatch(/^\d+\.\d+\.\d+.*-amd64$/);
});

test("its kernel has what the machine's own may lack: IPVS, ESP, flow tables", async () => {
  const modules = await execOk(["lsmod"]);
  for (const name of ["ip_vs", "ip_vs_rr", "esp4", "esp6", "nf_flow_table", "vxlan"]) {
    expect(modules).toMatch(new RegExp(`^${name} `, "m"));
  }
});
