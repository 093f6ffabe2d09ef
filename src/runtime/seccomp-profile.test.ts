import { describe, expect, test } from "vitest";
import { seccompOfProfile } from "./seccomp-profile.ts";
import { seccompOf } from "./spec-seccomp.ts";

const machine = { arch: "x64", kernel: "6.1.0-9-amd64" };
const encode = (profile: unknown): string => Buffer.from(JSON.stringify(profile)).toString("base64");
/** The names of the rules that are left, with a container that may chown. */
function left(rules: readonly object[]): string {
  const profile = encode({ defaultAction: "SCMP_ACT_ERRNO", syscalls: rules });
  return (
    seccompOfProfile(profile, ["CAP_CHOWN"], machine)
      ?.syscalls.map(({ names }) => names.join("+"))
      .join(" ") ?? "no filter"
  );
}
const rule = (name: string, conditions: object = {}): object => ({
  ...{ names: [name], action: "SCMP_ACT_ALLOW", ...conditions },
});

describe("a user's profile", () => {
  test("keeps its rules, actions and arguments", () => {
    const args = [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }];
    const profile = {
      ...{ defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 38, architectures: ["SCMP_ARCH_X86_64"] },
      syscalls: [
        { names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 13, args, comment: "no", includes: {} },
        { name: "rmdir", names: null, action: "SCMP_ACT_ERRNO", args: null },
      ].map(({ names, ...rest }) => (names === null ? rest : { ...rest, names })),
    };
    expect(seccompOfProfile(encode(profile), [], machine)).toEqual({
      ...{ defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 38, architectures: ["SCMP_ARCH_X86_64"] },
      syscalls: [
        { names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 13, args },
        { names: ["rmdir"], action: "SCMP_ACT_ERRNO" },
      ],
    });
  });

  test.each([
    [{ includes: { caps: ["CAP_CHOWN"] } }, "it"],
    [{ includes: { caps: ["CAP_CHOWN", "CAP_BPF"] } }, ""],
    [{ excludes: { caps: ["CAP_CHOWN"] } }, ""],
    [{ excludes: { caps: ["CAP_BPF"] } }, "it"],
    [{ includes: { arches: ["amd64", "x32"] } }, "it"],
    [{ includes: { arches: ["arm64"] } }, ""],
    [{ excludes: { arches: ["amd64"] } }, ""],
    [{ includes: { minKernel: "4.8" } }, "it"],
    [{ includes: { minKernel: "6.1" } }, "it"],
    [{ includes: { minKernel: "6.2" } }, ""],
    [{ excludes: { minKernel: "4.8" } }, ""],
    [{ includes: null, excludes: {} }, "it"],
  ])("with the conditions %j leaves %j", (conditions, wanted) => {
    expect(left([rule("it", conditions)])).toBe(wanted);
  });

  test("may map architectures, as Docker's own does", () => {
    const archMap = [
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    ];
    const profile = { defaultAction: "SCMP_ACT_ALLOW", archMap };
    expect(seccompOfProfile(encode(profile), [], machine)?.architectures).toEqual([
      ...["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    ]);
    expect(() =>
      seccompOfProfile(encode({ ...profile, architectures: ["SCMP_ARCH_X86_64"] }), [], machine),
    ).toThrow("both 'architectures' and 'archMap'");
  });

  test("that says nothing is no filter; one that makes no sense is refused", () => {
    expect(seccompOfProfile(encode({}), [], machine)).toBeUndefined();
    for (const text of [encode([]), encode("x"), "", Buffer.from("{").toString("base64")]) {
      expect(() => seccompOfProfile(text, [], machine)).toThrow(
        "cannot use the seccomp profile: it is not a",
      );
    }
    for (const wrong of [{ syscalls: "x" }, { syscalls: [null] }, { architectures: [1] }, { archMap: {} }]) {
      expect(() => seccompOfProfile(encode(wrong), [], machine)).toThrow("is not a list");
    }
    expect(seccompOfProfile(encode({ syscalls: null, archMap: null }), [], machine)).toBeUndefined();
    expect(() => left([{ name: "a", names: ["b"], action: "SCMP_ACT_ALLOW" }])).toThrow("both 'name' and");
    expect(() => left([rule("a", { includes: { minKernel: "new" } })])).toThrow("invalid kernel version new");
  });
});

test("the config's words choose the filter", () => {
  const of = (mode: "default" | "unconfined" | "custom" | undefined, profile = ""): string | undefined =>
    seccompOf(
      { noNewPrivileges: false, ...(mode !== undefined && { seccomp: { mode, profile } }) },
      [],
      machine,
    )?.defaultAction;
  expect(of(undefined)).toBe("SCMP_ACT_ERRNO");
  expect(of("default")).toBe("SCMP_ACT_ERRNO");
  expect(of("unconfined")).toBeUndefined();
  expect(of("custom", encode({ defaultAction: "SCMP_ACT_LOG" }))).toBe("SCMP_ACT_LOG");
  expect(seccompOf(undefined, [], machine)?.defaultAction).toBe("SCMP_ACT_ERRNO");
});
