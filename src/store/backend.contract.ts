import { describe, expect, test } from "vitest";
import { Fault, type FaultKind } from "../lib/index.ts";
import type { Backend, Commit, Write } from "./backend.ts";

/** A fresh, empty backend, and the hand that makes it forget its history. */
export interface BackendUnderTest {
  readonly backend: Backend;
  compact(): Promise<void>;
}

const text = (value: Uint8Array) => new TextDecoder().decode(value);

function put(key: string, value: string, expected = 0): Write {
  return { op: "put", key, value: new TextEncoder().encode(value), expected };
}

/** The first `count` commits after a version, then hangs up. */
async function take(backend: Backend, prefix: string, version: number, count: number): Promise<Commit[]> {
  const stop = new AbortController();
  const seen: Commit[] = [];
  for await (const commit of backend.watch(prefix, version, stop.signal)) {
    seen.push(commit);
    if (seen.length === count) stop.abort();
  }
  return seen;
}

async function faultOf(work: Promise<unknown>): Promise<FaultKind | undefined> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Fault ? error.kind : undefined;
}

/** What every backend must do. */
export function describeBackend(name: string, make: () => Promise<BackendUnderTest>): void {
  describe(name, () => {
    test("lists what was committed, under the prefix only, by key", async () => {
      const { backend } = await make();
      const version = await backend.commit([put("/a/2", "two"), put("/a/1", "one"), put("/b/1", "other")]);
      const listed = await backend.list("/a/");
      expect(listed.entries.map((e) => [e.key, text(e.value), e.version])).toEqual([
        ["/a/1", "one", version],
        ["/a/2", "two", version],
      ]);
      expect(listed.version).toBe(version);
    });

    test("commits all or nothing, guarded by version", async () => {
      const { backend } = await make();
      const first = await backend.commit([put("/a/1", "one")]);
      expect(await faultOf(backend.commit([put("/a/2", "two"), put("/a/1", "again")]))).toBe("conflict");
      const stale: Write = { op: "delete", key: "/a/1", expected: first + 100 };
      expect(await faultOf(backend.commit([stale]))).toBe("conflict");
      expect(await faultOf(backend.commit([put("/a/9", "gone", first)]))).toBe("conflict");
      expect((await backend.list("/a/")).entries.map((e) => e.key)).toEqual(["/a/1"]);
      const second = await backend.commit([put("/a/1", "uno", first)]);
      expect(second).toBeGreaterThan(first);
      expect((await backend.list("/a/")).entries.map((e) => text(e.value))).toEqual(["uno"]);
    });

    test("a delete of what is not there is a question: it is refused when it is there", async () => {
      const { backend } = await make();
      const question = { op: "delete", key: "/a/1", expected: 0 } as const;
      await backend.commit([question]);
      await backend.commit([put("/a/1", "one")]);
      expect(await faultOf(backend.commit([question]))).toBe("conflict");
      expect((await backend.list("/a/")).entries).toHaveLength(1);
    });

    test("refuses two writes to one key in one commit", async () => {
      const { backend } = await make();
      expect(await faultOf(backend.commit([put("/a/1", "one"), put("/a/1", "two")]))).toBe("invalid");
      expect((await backend.list("/a/")).entries).toEqual([]);
    });

    test("a key that was deleted may be made anew", async () => {
      const { backend } = await make();
      const first = await backend.commit([put("/a/1", "one")]);
      await backend.commit([{ op: "delete", key: "/a/1", expected: first }]);
      expect(await faultOf(backend.commit([put("/a/1", "late", first)]))).toBe("conflict");
      await backend.commit([put("/a/1", "anew")]);
      expect((await backend.list("/a/")).entries.map((e) => text(e.value))).toEqual(["anew"]);
    });

    test("of racing writers exactly one wins", async () => {
      const { backend } = await make();
      const tries = Array.from({ length: 10 }, (_, i) => faultOf(backend.commit([put("/a/1", `${i}`)])));
      const faults = await Promise.all(tries);
      expect(faults.filter((kind) => kind === undefined).length).toBe(1);
      expect(faults.filter((kind) => kind === "conflict").length).toBe(9);
    });

    test("watches every commit after a version, in order, past and future", async () => {
      const { backend } = await make();
      const first = await backend.commit([put("/a/1", "one")]);
      await backend.commit([put("/a/2", "two")]);
      const watching = take(backend, "/a/", first, 3);
      const third = await backend.commit([
        put("/a/3", "three"),
        { op: "delete", key: "/a/1", expected: first },
      ]);
      await backend.commit([put("/b/1", "of no interest")]);
      await backend.commit([put("/a/4", "four")]);
      const seen = await watching;
      expect(seen.map((c) => [c.puts.map((p) => p.key), c.deletes])).toEqual([
        [["/a/2"], []],
        [["/a/3"], ["/a/1"]],
        [["/a/4"], []],
      ]);
      expect(seen[1]?.version).toBe(third);
      expect(seen[1]?.puts[0]?.version).toBe(third);
    });

    test("a watch of history that is forgotten ends with a conflict; one of what is left goes on", async () => {
      const { backend, compact } = await make();
      const first = await backend.commit([put("/a/1", "one")]);
      const second = await backend.commit([put("/a/1", "two", first)]);
      const third = await backend.commit([put("/a/1", "three", second)]);
      await compact();
      expect(await faultOf(take(backend, "/a/", first, 1))).toBe("conflict");
      const watching = take(backend, "/a/", third, 1);
      await backend.commit([put("/a/1", "four", third)]);
      expect((await watching).map((c) => c.puts.map((p) => text(p.value)))).toEqual([["four"]]);
    });

    test("holds large commits, and watchers get them whole", async () => {
      const { backend } = await make();
      const writes = Array.from({ length: 1_500 }, (_, i) => put(`/a/${i}`, "x".repeat(2_000)));
      const version = await backend.commit(writes);
      expect((await backend.list("/a/")).entries.length).toBe(1_500);
      const [commit] = await take(backend, "/a/", version - 1, 1);
      expect(commit?.puts.length).toBe(1_500);
    });

    test("a watch whose signal has aborted ends at once, without a fault", async () => {
      const { backend } = await make();
      const seen: Commit[] = [];
      for await (const commit of backend.watch("/a/", 0, AbortSignal.abort())) seen.push(commit);
      expect(seen).toEqual([]);
    });
  });
}
