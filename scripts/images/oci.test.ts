import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { blobOf, composeImage, composeIndex, type Layer } from "./oci.ts";

const layer = (name: string): Layer => ({
  mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
  digest: `sha256:${name}-packed`,
  size: name.length,
  diffId: `sha256:${name}-plain`,
  file: `/tmp/${name}.tgz`,
  createdBy: `made ${name}`,
});

const parsed = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());

test("a blob's digest and size are of its bytes", () => {
  const blob = blobOf("x/y", { a: 1 });
  expect(Buffer.from(blob.bytes).toString()).toBe('{"a":1}');
  expect(blob.size).toBe(7);
  expect(blob.digest).toBe(`sha256:${createHash("sha256").update('{"a":1}').digest("hex")}`);
});

test("an image's manifest names its config and its layers, lowest first; the config has the plain digests", () => {
  const image = composeImage("amd64", [layer("low"), layer("high")], { Cmd: ["run"] });
  expect(parsed(image.manifest.bytes)).toEqual({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: image.config.digest,
      size: image.config.bytes.length,
    },
    layers: [
      { mediaType: layer("low").mediaType, digest: "sha256:low-packed", size: 3 },
      { mediaType: layer("high").mediaType, digest: "sha256:high-packed", size: 4 },
    ],
  });
  const config = parsed(image.config.bytes);
  expect(config.rootfs.diff_ids).toEqual(["sha256:low-plain", "sha256:high-plain"]);
  expect(config).toMatchObject({ os: "linux", architecture: "amd64", config: { Cmd: ["run"] } });
});

test("equal content makes equal digests", () => {
  const make = () => composeImage("amd64", [layer("a")], { Env: ["A=1"] }).manifest.digest;
  expect(make()).toBe(make());
  expect(composeImage("arm64", [layer("a")], { Env: ["A=1"] }).manifest.digest).not.toBe(make());
});

test("a manifest list says which manifest is for which platform", () => {
  const images = ["amd64", "arm64"].map((architecture) => composeImage(architecture, [layer("a")], {}));
  expect(parsed(composeIndex(images).bytes).manifests).toEqual(
    images.map(({ manifest, architecture }) => ({
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.size,
      platform: { os: "linux", architecture },
    })),
  );
});
