import { Fault } from "../lib/index.ts";
import type { OciUser } from "./oci.ts";

/** A line of /etc/passwd. */
interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A line of /etc/group. */
interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** An image's /etc/passwd and /etc/group; empty where it has none. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

const MAX_ID = 2 ** 31 - 1;

/**
 * Who process 1 is (moby/sys/user GetExecUser): `user` is "name", "uid", each with ":group" or ":gid", or empty for root;
 * `groups` are names or numbers. A number needs no line in the files; a name does. The main group is also one of the
 * additional ones: else a process that changes its main group is out of it, and files that shut it out let it in
 * (CVE-2022-36109). Faults "invalid" in Docker's words.
 */
export function resolveUser(user: string, groups: readonly string[], files: UserFiles): OciUser {
  const accounts = parsePasswd(files.passwd);
  const known = parseGroup(files.group);
  const [who = "", group = ""] = user.split(":", 2);
  const account = findAccount(who, accounts);
  const uid = account?.uid ?? idOf(who === "" ? "0" : who);
  if (uid === undefined) {
    throw new Fault("invalid", `unable to find user ${who}: no matching entries in passwd file`);
  }
  const gid = group === "" ? (account?.gid ?? 0) : groupId(group, known);
  const own =
    account === undefined || group !== "" ? [] : known.filter((g) => g.members.includes(account.name));
  const extra = groups.map((name) => groupId(name, known));
  return { uid, gid, additionalGids: [...new Set([gid, ...own.map((g) => g.gid), ...extra])] };
}

function findAccount(who: string, accounts: readonly Account[]): Account | undefined {
  const number = idOf(who === "" ? "0" : who);
  return accounts.find(({ name, uid }) => (number === undefined ? name === who : uid === number));
}

function groupId(text: string, groups: readonly Group[]): number {
  const number = idOf(text);
  const gid = number ?? groups.find((g) => g.name === text)?.gid;
  if (gid === undefined) {
    throw new Fault("invalid", `unable to find group ${text}: no matching entries in group file`);
  }
  return gid;
}

function parsePasswd(text: string): Account[] {
  return linesOf(text).flatMap(([name = "", , uidText = "", gidText = ""]) => {
    const [uid, gid] = [idOf(uidText), idOf(gidText)];
    return uid === undefined || gid === undefined ? [] : [{ name, uid, gid }];
  });
}

function parseGroup(text: string): Group[] {
  return linesOf(text).flatMap(([name = "", , gidText = "", members = ""]) => {
    const gid = idOf(gidText);
    return gid === undefined ? [] : [{ name, gid, members: members.split(",").filter(Boolean) }];
  });
}

function linesOf(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

function idOf(text: string): number | undefined {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : MAX_ID + 1;
  return number <= MAX_ID ? number : undefined;
}
