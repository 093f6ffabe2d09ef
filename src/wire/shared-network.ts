import { Fault } from "../lib/index.ts";
import { peerOf, type RunSpec } from "../model/index.ts";

/** What is the other container's when its network is shared, and Docker's words for it, in Docker's order. */
const THE_OTHERS: readonly (readonly [string, (spec: RunSpec) => boolean])[] = [
  ["hostname and the network mode", ({ container }) => container.hostname !== ""],
  ["dns and the network mode", ({ container }) => container.dns.nameservers.length > 0],
  ["custom host-to-IP mapping and the network mode", ({ container }) => container.hosts.length > 0],
  ["port publishing and the container type network mode", (spec) => spec.ports.length > 0 || spec.publishAll],
  ["port exposing and the container type network mode", ({ exposed }) => exposed.length > 0],
];

/** Throws in Docker's words what cannot be said beside `--network container:NAME` (moby runconfig/hostconfig.go). */
export function checkSharedNetwork(spec: RunSpec): void {
  const peer = peerOf(spec.networkMode);
  if (peer === undefined) return;
  if (peer === "") {
    const form = "invalid container format container:<name|id>";
    throw new Fault("invalid", `Invalid network mode: ${form}`);
  }
  const [clash] = THE_OTHERS.find(([, isSaid]) => isSaid(spec)) ?? [];
  if (clash !== undefined) throw new Fault("invalid", `conflicting options: ${clash}`);
}
