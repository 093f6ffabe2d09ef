/** Where labs live: short, because a unix socket's path may have 107 bytes at most (unix(7)). */
const STATE_ROOT = "/var/lib/shoal-lab";
const RUN_ROOT = "/run/shoal-lab";

/** The folders and names of one lab. */
export interface LabPaths {
  readonly state: string;
  readonly run: string;
  readonly record: string;
}

export function labPaths(name: string): LabPaths {
  return {
    state: `${STATE_ROOT}/${name}`,
    run: `${RUN_ROOT}/${name}`,
    record: `${STATE_ROOT}/${name}/lab.json`,
  };
}

export const LABS_ROOT: string = STATE_ROOT;

/** Where labs claim their subnets: a link N → the name of the lab that has 172.31.N.0/24. */
export const CLAIMS_ROOT: string = `${STATE_ROOT}/.subnets`;

/** The folders, sockets and files of one host of a lab. */
export interface HostPaths {
  readonly data: string;
  readonly run: string;
  readonly netns: string;
  readonly netnsName: string;
  readonly apiSocket: string;
  readonly containerdSocket: string;
  readonly config: string;
  readonly log: string;
  readonly containerdLog: string;
}

export function hostPaths(lab: string, host: string): HostPaths {
  const { state, run } = labPaths(lab);
  const netnsName = `lab-${lab}-${host}`;
  return {
    data: `${state}/${host}`,
    run: `${run}/${host}`,
    netns: `/run/netns/${netnsName}`,
    netnsName,
    apiSocket: `${run}/${host}/docker.sock`,
    containerdSocket: `${run}/${host}/containerd.sock`,
    config: `${state}/${host}/shoald.json`,
    log: `${state}/${host}/shoald.log`,
    containerdLog: `${state}/${host}/containerd.log`,
  };
}
