import { expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import { inside, openNetns } from "../../src/kernel/netns.ts";
import { hasGro } from "../../src/kernel/offloads.ts";
import { makeTestHost } from "../support/netns.ts";
import { factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";

test("a tunnel does not merge what the host's device has merged before", async () => {
  const host = await makeTestHost();
  const kernel = host.kernel();
  const merges = (link: string) => inside(openNetns(host.path("net-front-network")), () => hasGro(link));
  try {
    await kernel.apply(planNetwork(factsOf(TALKERS, 1), { tag: "sh" }));
    expect(merges("sh-v4097")).toBe(false);
    // As the kernel makes one by itself.
    await host.run(
      "ip link add other type vxlan id 7 dstport 4799".split(" ") as ["ip"],
      "net-front-network",
    );
    expect(merges("other")).toBe(true);
  } finally {
    await kernel.destroy();
    await kernel.close();
    await host.dispose();
  }
});
