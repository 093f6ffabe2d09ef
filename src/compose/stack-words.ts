import { flag, ignored, list, object, pairs, type Read, refused, text, untouched, word } from "./read.ts";

/** `external: true`, or the old form with a name in it. */
export type External = boolean | string;

const external: Read<External> = (tree, problems, at) => {
  if (tree.kind !== "map") return flag(tree, problems, at);
  return object<{ name: string }>("external", { name: text })(tree, problems, at)?.name ?? true;
};

export interface NetworkWords {
  name: string;
  external: External;
  driver: string;
  driver_opts: Map<string, string | undefined>;
  attachable: boolean;
  internal: boolean;
  enable_ipv6: boolean;
  labels: Map<string, string | undefined>;
  ipam: Partial<{ driver: string; config: Partial<{ subnet: string; gateway: string; ip_range: string }>[] }>;
}

export const networkWords: Read<Partial<NetworkWords>> = object("a network", {
  name: text,
  external,
  driver: text,
  driver_opts: pairs,
  attachable: flag,
  internal: flag,
  enable_ipv6: flag,
  enable_ipv4: untouched,
  labels: pairs,
  ipam: object("ipam", {
    driver: text,
    options: ignored("ipam options are ignored"),
    config: list(
      object("an ipam configuration", {
        subnet: text,
        gateway: text,
        ip_range: text,
        aux_addresses: ignored("aux_addresses are ignored: tasks have no fixed addresses"),
      }),
    ),
  }),
} as never) as unknown as Read<Partial<NetworkWords>>;

export interface VolumeWords {
  name: string;
  external: External;
  driver: string;
  driver_opts: Map<string, string | undefined>;
  labels: Map<string, string | undefined>;
}

export const volumeWords: Read<Partial<VolumeWords>> = object<VolumeWords>("a volume", {
  name: text,
  external,
  driver: text,
  driver_opts: pairs,
  labels: pairs,
});

export interface ContentWords {
  name: string;
  external: External;
  file: string;
  environment: string;
  content: string;
  labels: Map<string, string | undefined>;
  template_driver: "golang";
}

/** A secret or a config. */
export const contentWords: Read<Partial<ContentWords>> = object("a secret or config", {
  name: text,
  external,
  file: text,
  environment: text,
  content: text,
  labels: pairs,
  driver: refused("secret drivers are not served"),
  driver_opts: refused("secret drivers are not served"),
  template_driver: word("golang"),
} as never) as unknown as Read<Partial<ContentWords>>;
