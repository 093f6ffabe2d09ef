/**
 * registry: speaks HTTP to OCI and Docker registries: references, platforms, manifests, tokens, blobs.
 * It knows no container engine and keeps nothing on disk.
 */
export { type Credentials, parseRegistryAuth } from "./credentials.ts";
export { type Digest, digestOf } from "./digest.ts";
export {
  type Descriptor,
  documentType,
  type ImageConfig,
  type ImageManifest,
  isIndexType,
  MEDIA_TYPES,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "./manifest.ts";
export {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
} from "./platform.ts";
export {
  familiarName,
  familiarReference,
  formatReference,
  nameOf,
  parseReference,
  type Reference,
  registryDomain,
  withDefaultTag,
} from "./reference.ts";
export {
  RegistryClient,
  type Resolved,
} from "./registry-client.ts";
