import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, type Log, messageOf, type Random, randomHex } from "../lib/index.ts";
import type { ContainerConfig, FileContents, Volumes } from "./container.ts";
import { checkFiles, dropFiles, storeFiles } from "./container-files.ts";
import { type ContainerFolder, folderOf, hostsFileOf, resolvFileOf } from "./container-folder.ts";
import { findInit } from "./container-init.ts";
import { allMounts, type ContainerMounts, resolveMounts, type VolumeToFill } from "./container-mounts.ts";
import type { ContainerRecord } from "./container-record.ts";
import {
  deleteContainer,
  prepareSnapshot,
  putContainer,
  removeSnapshot,
  type SnapshotMounts,
} from "./container-store.ts";
import { deleteTask } from "./container-task.ts";
import { allDevices, type DeviceNode, sharedDevices } from "./device-nodes.ts";
import { mergeHealthCheck, probeOf } from "./health-check.ts";
import type { Images, ResolvedImage } from "./image.ts";
import type { Machine } from "./machine.ts";
import { unmountBelow } from "./mount-points.ts";
import { resolveIn, withLayers } from "./rootfs.ts";
import { signalNumber } from "./signals.ts";
import { specOf } from "./spec.ts";
import { commandOf, imageProcessOf } from "./spec-process.ts";
import { resolveUser } from "./user.ts";
import type { UserFilesCache } from "./user-files.ts";
import { fillMounted, fillVolume } from "./volume-fill.ts";

export interface MakerParts {
  readonly client: GrpcClient;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly machine: Machine;
  readonly userFiles: UserFilesCache;
  readonly dataDir: string;
  readonly runDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface MadeContainer {
  readonly record: ContainerRecord;
  readonly rootfs: SnapshotMounts;
}

/**
 * Makes a container up to its process: snapshot, files, volumes and containerd's record. All of it or nothing. `names`: of the container
 * whose network it shares.
 */
export async function makeContainer(
  parts: MakerParts,
  config: ContainerConfig,
  contents: FileContents,
  names?: ContainerFolder,
): Promise<MadeContainer> {
  const { images, client, volumes, machine, clock } = parts;
  const resolved = await images.resolve(config.image);
  const image = imageProcessOf(resolved.config);
  const command = commandOf(config, image);
  const stopSignal = signalNumber(config.stopSignal || image.stopSignal);
  const init = config.init === true ? await findInit() : undefined;
  const asked = allMounts(config.mounts, image.volumes);
  const devices = await devicesOf(config);
  checkFiles(config, contents);
  const folder = folderOf(parts.dataDir, parts.runDir, config.id);
  const ownVolumes: string[] = [];
  try {
    const [rootfs, mounts] = await allOf(
      freshSnapshot(parts, config.id, resolved.topChainId),
      resolveMounts(asked, volumes, (name) => ownVolumes.push(name)),
      writeFiles(folder, config).then(() => storeFiles(folder.files, config.files ?? [], contents)),
    );
    const layers = new Layers(parts, rootfs, resolved);
    const user = resolveUser(config.user || image.user, config.groups, await layers.userFiles());
    await layers.fill(mounts);
    const createdAt = clock.now();
    const record = {
      ...{ config, imageId: resolved.id, command, stopSignal, ...placesOf(mounts), createdAt },
      ...healthOf(config, resolved.config),
    };
    const spec = specOf({
      config,
      image,
      command,
      user,
      mounts: mounts.mounts,
      folder,
      names,
      machine,
      init,
      devices,
    });
    await putContainer(client, record, spec);
    return { record, rootfs };
  } catch (error) {
    await unmakeContainer(parts, config.id, ownVolumes);
    throw error;
  }
}

/** Takes away whatever there is of a container but its log and a running process; the record last, so that it can be done again. */
export async function removeContainer(
  parts: Pick<MakerParts, "client" | "dataDir" | "runDir" | "volumes">,
  id: string,
  ownVolumes: readonly string[],
): Promise<void> {
  const { client, volumes, dataDir, runDir } = parts;
  const folder = folderOf(dataDir, runDir, id);
  await deleteTask(client, id);
  await removeSnapshot(client, id);
  for (const name of ownVolumes) {
    await volumes.remove(name, { force: true, usedBy: [] }).catch((error: unknown) => {
      if (!Fault.is(error, "not-found")) throw error;
    });
  }
  await dropFiles(folder.files);
  await unmountBelow(folder.runDir);
  await rm(folder.runDir, { recursive: true, force: true });
  await rm(folder.dir, { recursive: true, force: true });
  await deleteContainer(client, id);
}

/** After a failure: what cannot be taken away now goes at the next start, or when the same container is made again. */
async function unmakeContainer(parts: MakerParts, id: string, ownVolumes: readonly string[]): Promise<void> {
  await removeContainer(parts, id, ownVolumes).catch((error: unknown) => {
    parts.log.warn("half-made container not removed", { container: id, error: messageOf(error) });
  });
}

/** An earlier try that containerd's death cut off may have left one of this name. */
async function freshSnapshot(
  { client, clock }: MakerParts,
  id: string,
  parent: string,
): Promise<SnapshotMounts> {
  try {
    return await prepareSnapshot(client, id, parent, clock.now());
  } catch (error) {
    if (!Fault.is(error, "exists")) throw error;
    await deleteTask(client, id);
    await deleteContainer(client, id);
    await removeSnapshot(client, id);
    return prepareSnapshot(client, id, parent, clock.now());
  }
}

/** /etc/hosts and /etc/resolv.conf, in place: they are mounted one by one. */
export async function writeNames(
  folder: ContainerFolder,
  { hosts, dns }: Pick<ContainerConfig, "hosts" | "dns">,
): Promise<void> {
  await Promise.all([
    writeFile(folder.hosts, hostsFileOf(hosts), { mode: 0o644 }),
    writeFile(folder.resolvConf, resolvFileOf(dns), { mode: 0o644 }),
  ]);
}

async function writeFiles(folder: ContainerFolder, config: ContainerConfig): Promise<void> {
  await mkdir(folder.dir, { recursive: true, mode: 0o710 });
  await Promise.all([
    writeNames(folder, config),
    writeFile(folder.hostname, `${config.hostname}\n`, { mode: 0o644 }),
    mkdir(folder.runDir, { recursive: true, mode: 0o700 }),
  ]);
}

async function devicesOf({ machine }: ContainerConfig): Promise<DeviceNode[]> {
  if (machine === undefined) return [];
  const asked = await sharedDevices(machine.devices);
  return machine.isPrivileged ? [...(await allDevices()), ...asked] : asked;
}

function healthOf(
  config: ContainerConfig,
  image: ResolvedImage["config"],
): Pick<ContainerRecord, "healthCheck" | "probe"> {
  const healthCheck = mergeHealthCheck(config.health, image);
  const probe = probeOf(healthCheck, image);
  return { ...(healthCheck !== undefined && { healthCheck }), ...(probe !== undefined && { probe }) };
}

function placesOf({ mounts, ownVolumes }: ContainerMounts): Pick<ContainerRecord, "mounts" | "ownVolumes"> {
  return { mounts, ownVolumes };
}

/** Like Promise.all, but a failure is told only when nothing is under way any more. */
async function allOf<A, B, C>(a: Promise<A>, b: Promise<B>, c: Promise<C>): Promise<[A, B, C]> {
  await Promise.allSettled([a, b, c]);
  return Promise.all([a, b, c]);
}

/** What the image has, read through the container's still untouched snapshot. */
class Layers {
  readonly #parts: MakerParts;
  readonly #rootfs: SnapshotMounts;
  readonly #image: ResolvedImage;

  constructor(parts: MakerParts, rootfs: SnapshotMounts, image: ResolvedImage) {
    this.#parts = parts;
    this.#rootfs = rootfs;
    this.#image = image;
  }

  userFiles(): ReturnType<UserFilesCache["of"]> {
    return this.#parts.userFiles.of(this.#image.topChainId, (work) => this.#with(work));
  }

  /** Empty volumes take over what the image has at their places. */
  async fill({ toFill }: ContainerMounts): Promise<void> {
    const empty: VolumeToFill[] = [];
    for (const volume of toFill)
      if (volume.isMounted || (await readdir(volume.path)).length === 0) empty.push(volume);
    if (empty.length === 0) return;
    await this.#with(async (root) => {
      for (const volume of empty) {
        const folder = await resolveIn(root, volume.target);
        if (folder !== undefined) await this.#fillOne(volume, folder);
      }
    });
  }

  async #fillOne({ name, path, isMounted }: VolumeToFill, folder: string): Promise<void> {
    if (!isMounted) return fillVolume(path, folder);
    const { volumes, random } = this.#parts;
    const holder = `fill-${randomHex(random, 8)}`;
    try {
      await volumes.hold(name, holder);
      await fillMounted(path, folder);
    } finally {
      await volumes.release(name, holder);
    }
  }

  #with<T>(work: (root: string) => Promise<T>): Promise<T> {
    return withLayers(this.#rootfs, { dir: this.#parts.runDir, random: this.#parts.random }, work);
  }
}
