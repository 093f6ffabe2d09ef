import { existsSync } from "node:fs";
import { Fault } from "../lib/index.ts";
import { exec, execOk } from "../sys/index.ts";
import { hostPaths } from "./paths.ts";
import { addressOf, CLIENT, type LabRecord, REGISTRY } from "./record.ts";

/** The lab's switch: a bridge in a namespace of its own, so that the machine's own network is not touched. */
const SWITCH = "switch";

export function switchNetns(lab: LabRecord): string {
  return hostPaths(lab.name, SWITCH).netnsName;
}

/** Makes the switch. */
export async function plugSwitch(lab: LabRecord): Promise<void> {
  const ns = switchNetns(lab);
  await execOk(["ip", "netns", "add", ns]);
  await execOk(["ip", "-n", ns, "link", "add", "br0", "type", "bridge"]);
  await execOk(["ip", "-n", ns, "link", "set", "br0", "up"]);
  if (lab.uplink) await plugUplink(lab, ns);
}

/**
 * Makes a host's namespace and its cable to the switch: eth0 with the host's address, and always the same MAC, as a machine that was
 * started again has: its neighbours remember it for a minute.
 */
export async function plugHost(lab: LabRecord, host: string): Promise<void> {
  const ns = hostPaths(lab.name, host).netnsName;
  const sw = switchNetns(lab);
  const port = `p-${host}`.slice(0, 15);
  await execOk(["ip", "netns", "add", ns]);
  await execOk(["ip", "-n", ns, "link", "set", "lo", "up"]);
  await execOk(["ip", "-n", sw, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns]);
  await execOk(["ip", "-n", sw, "link", "set", port, "master", "br0", "up"]);
  await execOk(["ip", "-n", ns, "link", "set", "eth0", "address", cardOf(addressOf(lab, host))]);
  await execOk(["ip", "-n", ns, "address", "add", `${addressOf(lab, host)}/24`, "dev", "eth0"]);
  await execOk(["ip", "-n", ns, "link", "set", "eth0", "up"]);
  if (lab.uplink) await execOk(["ip", "-n", ns, "route", "add", "default", "via", `172.31.${lab.index}.254`]);
}

/** The MAC of the host with this address. */
function cardOf(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return ["52", "54", ...bytes].join(":");
}

/** Takes a host's cable and namespace away; both may be gone already. */
export async function unplugHost(lab: LabRecord, host: string): Promise<void> {
  await exec(["ip", "-n", switchNetns(lab), "link", "delete", `p-${host}`.slice(0, 15)]);
  if (existsSync(hostPaths(lab.name, host).netns)) {
    await execOk(["ip", "netns", "delete", hostPaths(lab.name, host).netnsName]);
  }
}

export async function unplugSwitch(lab: LabRecord): Promise<void> {
  if (lab.uplink) await exec(["nft", "delete", "table", "ip", uplinkTable(lab)]);
  if (existsSync(hostPaths(lab.name, SWITCH).netns))
    await execOk(["ip", "netns", "delete", switchNetns(lab)]);
}

/** A way out through the machine, masqueraded, for labs that pull from the internet. */
async function plugUplink(lab: LabRecord, sw: string): Promise<void> {
  const device = `lab${lab.index}`;
  const address = `172.31.${lab.index}.254/24`;
  await execOk([
    "ip",
    "-n",
    sw,
    "link",
    "add",
    "uplink",
    "type",
    "veth",
    "peer",
    "name",
    device,
    "netns",
    "1",
  ]);
  await execOk(["ip", "-n", sw, "link", "set", "uplink", "master", "br0", "up"]);
  await execOk(["ip", "address", "add", address, "dev", device]);
  await execOk(["ip", "link", "set", device, "up"]);
  await execOk(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  const table = uplinkTable(lab);
  const rule = `oifname != "${device}" ip saddr 172.31.${lab.index}.0/24 masquerade`;
  await execOk(["nft", "add", "table", "ip", table]);
  await execOk(["nft", `add chain ip ${table} out { type nat hook postrouting priority srcnat; }`]);
  await execOk(["nft", `add rule ip ${table} out ${rule}`]);
}

function uplinkTable(lab: LabRecord): string {
  return `shoal-lab-${lab.name}`;
}

/** Cuts a host off from one peer (both ways), or from everybody. Faults "not-found", "precondition" (not up). */
export async function cut(lab: LabRecord, host: string, peer: string | undefined): Promise<void> {
  for (const name of peer === undefined ? [host] : [host, peer]) requirePlugged(lab, name);
  if (peer === undefined) {
    await execOk(["ip", "-n", switchNetns(lab), "link", "set", `p-${host}`, "down"]);
    return;
  }
  for (const [at, other] of [
    [host, peer],
    [peer, host],
  ] as const) {
    const nft = (...words: string[]) =>
      execOk(["ip", "netns", "exec", hostPaths(lab.name, at).netnsName, "nft", ...words]);
    await nft("add table ip lab-cut");
    await nft("add chain ip lab-cut in { type filter hook prerouting priority -400; }");
    await nft("add chain ip lab-cut out { type filter hook output priority -400; }");
    await nft(`add rule ip lab-cut in ip saddr ${addressOf(lab, other)} drop`);
    await nft(`add rule ip lab-cut out ip daddr ${addressOf(lab, other)} drop`);
  }
}

/** Fault "precondition" when a host of the lab has no namespace now, because it was killed. */
export function requirePlugged(lab: LabRecord, host: string): void {
  addressOf(lab, host);
  if (existsSync(hostPaths(lab.name, host).netns)) return;
  throw new Fault("precondition", `host ${host} of lab ${lab.name} is not up: shoal lab start ${host}`);
}

/** Undoes every cut of the lab. */
export async function heal(lab: LabRecord): Promise<void> {
  for (const host of [...lab.hosts, CLIENT, REGISTRY]) {
    if (!existsSync(hostPaths(lab.name, host).netns)) continue;
    await exec(["ip", "-n", switchNetns(lab), "link", "set", `p-${host}`, "up"]);
    await exec([
      "ip",
      "netns",
      "exec",
      hostPaths(lab.name, host).netnsName,
      "nft",
      "delete",
      "table",
      "ip",
      "lab-cut",
    ]);
  }
}
