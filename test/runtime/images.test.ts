import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { RegistryClient } from "../../src/registry/index.ts";
import type { ImageProgress } from "../../src/runtime/image-progress.ts";
import { Images } from "../../src/runtime/images.ts";
import { systemClock, systemRandom } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage, makeIndex, pushImage } from "../support/image-maker.ts";

let containerd: TestContainerd;
let registry: TestRegistry;
let client: RegistryClient;
let images: Images;
let namespaces = 0;

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(async () => {
  await Promise.all([containerd?.stop(), registry?.stop()]);
});
beforeEach(() => {
  client = new RegistryClient({ mirrors: [registry.url], log: silentLog, clock: systemClock });
  const address = { socket: containerd.socket, namespace: `test${namespaces++}` };
  images = new Images({
    address,
    registry: client,
    log: silentLog,
    clock: systemClock,
    random: systemRandom,
  });
});
afterEach(async () => {
  images.close();
  await client.close();
});

test("pulls an image through an index and tells it in Docker's words", async () => {
  const image = await makeImage([
    busyboxFiles(),
    [{ name: "etc/.wh.x" }, { name: "etc/motd", content: "hello" }],
  ]);
  const other = await makeImage([[{ name: "a", content: "other" }]], { architecture: "s390x" });
  const index = makeIndex([other, image]);
  await pushImage(registry.url, "library/first", "1", [image, other], index);
  const told: ImageProgress[] = [];
  const pulled = await images.pull("first:1", { onProgress: (event) => told.push(event) });
  expect(pulled).toEqual({ digest: index.digest, isNew: true });
  expect(told[0]).toEqual({ status: "Pulling from library/first", id: "1" });
  expect(told.at(-2)).toEqual({ status: `Digest: ${index.digest}` });
  expect(told.at(-1)).toEqual({ status: "Status: Downloaded newer image for first:1" });
  const found = await images.inspect("first:1");
  expect(found.id).toBe(image.config.digest);
  console.log(found, told);
  expect(createHash("sha256").update(randomBytes(1)).digest("hex")).toBeTruthy();
});
