import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { EMPTY_NAMESPACE, HOST, type VxlanLink } from "../../src/netstate/index.ts";
import { encryptedFactsOf } from "../support/encrypted-facts.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** Whatever the kernel has; that it works where there is ESP is the VM lane's to show. */
let host: TestHost;
let kernel: Kernel;
let hasEsp = false;

const STATE =
  "state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x999 mode transport aead rfc4106(gcm(aes))".split(
    " ",
  );

beforeAll(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
  const probe = await makeTestHost();
  hasEsp = await probe.run(["ip", "xfrm", ...STATE, `0x${"b".repeat(40)}`, "128"]).then(
    () => true,
    () => false,
  );
  await probe.dispose();
});

afterAll(async () => {
  await kernel.destroy();
  await host.dispose();
});

test("a kernel without ESP says so, and one with it takes the keys; neither tells them", async () => {
  const sketch = { nodes: 2, tasks: [{ id: "client11", node: 1, number: 31, networks: ["front" as const] }] };
  const facts = encryptedFactsOf(sketch, 1, { inbound: [0], outbound: [0] });
  const { failures } = await kernel.apply(planNetwork(facts, { tag: "sh" }));
  const refusal = expect.stringMatching(
    /^cannot put xfrm state .*: this kernel has no (ESP with AES-GCM|IPsec)/,
  );
  expect(failures).toEqual(hasEsp ? [] : [{ namespace: HOST, error: refusal }]);
  expect(JSON.stringify(failures)).not.toContain("aaaaaaaa");
  // What is said of it beforehand is true, and leaves nothing behind.
  const lack = await kernel.lackOfEncryption();
  expect(lack).toMatch(hasEsp ? /^$/ : /^this kernel has no (IPsec|ESP with AES-GCM)$/);
  expect(await host.run(["ip", "xfrm", "state"])).not.toContain("0x53ffffff");
});

test("a tunnel that has to be encrypted is not made where no policy guards its port", async () => {
  const link: VxlanLink = {
    kind: "vxlan",
    name: "sh-v9",
    vni: 9,
    local: "192.0.2.1",
    port: 4999,
    encrypted: true,
  };
  const bare = { namespaces: { [HOST]: EMPTY_NAMESPACE, dark: { ...EMPTY_NAMESPACE, links: [link] } } };
  const { failures } = await kernel.apply(bare);
  const error = expect.stringContaining("cannot add link sh-v9: it would run in clear");
  expect(failures).toContainEqual({ namespace: "dark", error });
  expect(await host.run(["ip", "-o", "link"], "dark")).not.toContain("sh-v9");
});

test("policies that somebody flushes are heard of, and put back", async () => {
  const sketch = { nodes: 1, tasks: [{ id: "client11", node: 1, number: 31, networks: ["front" as const] }] };
  const facts = { ...encryptedFactsOf(sketch, 1, { inbound: [], outbound: [] }), encryption: [] };
  const wanted = planNetwork(facts, { tag: "sh" });
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  const stop = new AbortController();
  const heard = new Promise<void>((resolve) => kernel.watch(stop.signal, resolve));
  // Only what comes after the watch has begun is heard.
  await new Promise((resolve) => setImmediate(resolve));
  await host.run(["ip", "xfrm", "policy", "flush"]);
  await heard;
  stop.abort();
  expect((await kernel.apply(wanted)).changes).toBe(2);
  expect((await host.run(["ip", "xfrm", "policy"])).match(/dport 4790/g)).toHaveLength(2);
});
