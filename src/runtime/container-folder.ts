import type { ContainerConfig } from "./container.ts";

/** Where one container's own files are on this machine. */
export interface ContainerFolder {
  readonly dir: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  /** What happened to it, which containerd does not keep. */
  readonly history: string;
  /** FIFOs: gone with the machine's power. */
  readonly runDir: string;
  /** A link to the network namespace of another container, for one that shares it. */
  readonly netns: string;
  /** Where a tmpfs for the container's files is mounted, when it has any. */
  readonly files: string;
  /** Where parts of volumes are bound while its process is made. */
  readonly subpaths: string;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

export const EXEC_PREFIX = "exec-";

/** Where the copying program mounts what does not run, for itself alone: in the node's folder of FIFOs, and empty for all others. */
export const VIEW_FOLDER = ".view";

export const FILES_FOLDER = "files";

/** What the container's nth mount is, when it is a part of a volume. */
export function subpathAt({ subpaths }: Pick<ContainerFolder, "subpaths">, index: number): string {
  return `${subpaths}/${index}`;
}

/** The nth of a container's files, under `ContainerFolder.files`. */
export function fileAt(files: string, index: number): string {
  return `${files}/${index}`;
}

/** The FIFOs of a program in the container: for its output, for its errors when those go apart, for its input when it has one. */
export function execFifos(
  { runDir }: ContainerFolder,
  execId: string,
): Readonly<Record<"out" | "err" | "in", string>> {
  const path = `${runDir}/${EXEC_PREFIX}${execId}`;
  return { out: path, err: `${path}.err`, in: `${path}.in` };
}

/** The program whose FIFO this is, by the file's name; undefined for other files. */
export function execIdOf(name: string): string | undefined {
  return name.startsWith(EXEC_PREFIX) ? name.slice(EXEC_PREFIX.length).split(".")[0] : undefined;
}

/** `dataDir` and `runDir` are the node's folders of containers. */
export function folderOf(dataDir: string, runDir: string, id: string): ContainerFolder {
  const [dir, run] = [`${dataDir}/${id}`, `${runDir}/${id}`];
  return {
    dir,
    hosts: `${dir}/hosts`,
    hostname: `${dir}/hostname`,
    resolvConf: `${dir}/resolv.conf`,
    history: `${dir}/history.json`,
    runDir: run,
    netns: `${run}/netns`,
    files: `${run}/${FILES_FOLDER}`,
    subpaths: `${run}/subpaths`,
    stdin: `${run}/stdin`,
    stdout: `${run}/stdout`,
    stderr: `${run}/stderr`,
  };
}

/** /etc/hosts as Docker writes it (libnetwork/etchosts), then the config's lines. */
export function hostsFileOf(hosts: ContainerConfig["hosts"]): string {
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    ...hosts.map(({ address, names }) => `${address}\t${names.join(" ")}`),
    "",
  ].join("\n");
}

/** /etc/resolv.conf. */
export function resolvFileOf({ nameservers, search, options }: ContainerConfig["dns"]): string {
  return [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    "",
  ].join("\n");
}
