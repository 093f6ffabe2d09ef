/**
 * etcd: the store's backend made real: Debian's etcd as a child process, its v3 API, values sealed at rest, and
 * leadership by lease. It knows keys and bytes, no object of the cluster.
 */
export { EtcdBackend } from "./etcd-backend.ts";
export { EtcdProcess, removeEtcdData } from "./etcd-process.ts";
export { Leadership, type LeadershipParts } from "./leadership.ts";
export { aesSeal, loadDataKey } from "./seal.ts";
