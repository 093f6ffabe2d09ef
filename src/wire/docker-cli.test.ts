import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Fault } from "../lib/index.ts";
import { bridgeSpecFromWire, isBridgeWanted } from "./bridge.ts";
import { clusterSpecFromWire, clusterSpecToWire, initFromWire, joinFromWire } from "./cluster.ts";
import { networkSpecFromWire, wantedDriver } from "./network.ts";
import { nodeSpecFromWire } from "./node.ts";
import { serviceSpecFromWire, serviceSpecToWire } from "./service-spec.ts";
import { missing } from "./service-words.fake.ts";

/*
 * testdata/docker-cli-*.json holds what stock CLIs really send, recorded from their socket. The files beside them say
 * what we make of it: the model's words, or the refusal. After a wanted change: npx vitest run --project unit src/wire -u
 */

interface Recording {
  readonly cli: string;
  readonly requests: Readonly<Record<string, readonly { command: string; body: unknown }[]>>;
}

const READERS: Readonly<Record<string, (body: unknown) => unknown>> = {
  "service-create": serviceSpecFromWire,
  "service-update": serviceSpecFromWire,
  "network-create": (json) =>
    isBridgeWanted(wantedDriver(json)) ? bridgeSpecFromWire(json) : networkSpecFromWire(json),
  "node-update": nodeSpecFromWire,
  "swarm-init": initFromWire,
  "swarm-join": joinFromWire,
  "swarm-update": clusterSpecFromWire,
};

const dir = join(import.meta.dirname, "testdata");
const recordings = ["28.2.2", "20.10.24"].map(
  (cli): Recording => JSON.parse(readFileSync(join(dir, `docker-cli-${cli}.json`), "utf8")),
);

function outcome(read: (body: unknown) => unknown, body: unknown): unknown {
  try {
    return read(body);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { refused: `${error.kind}: ${error.message}` };
  }
}

describe.each(recordings)("docker CLI $cli", ({ cli, requests }) => {
  test("what we make of its requests", async () => {
    const lines = Object.entries(requests).flatMap(([kind, all]) =>
      all.map(({ command, body }) => {
        const made = outcome(READERS[kind] ?? (() => kind), body);
        return `$ ${command}\n${JSON.stringify(made, null, 2)}\n`;
      }),
    );
    await expect(lines.join("\n")).toMatchFileSnapshot(join(dir, `docker-cli-${cli}.model.txt`));
  });

  test("a service spec comes back from the API as it went in, but for what was left out", () => {
    const bodies = [...(requests["service-create"] ?? []), ...(requests["service-update"] ?? [])];
    const served = bodies.filter(
      ({ body }) => !("refused" in (outcome(serviceSpecFromWire, body) as object)),
    );
    expect(served.length).toBeGreaterThan(12);
    for (const { command, body } of served) {
      const spec = serviceSpecFromWire(body);
      const shown = serviceSpecToWire(spec);
      expect(missing(body, shown), command).toEqual([]);
      expect(serviceSpecFromWire(JSON.parse(JSON.stringify(shown))), command).toEqual(spec);
    }
  });

  test("a swarm spec comes back as it went in", () => {
    for (const { body } of requests["swarm-update"] ?? []) {
      expect(clusterSpecToWire(clusterSpecFromWire(body))).toEqual(body);
    }
  });
});

test("missing() sees what is missing", () => {
  expect(missing({ a: [{ b: 1 }], c: 0 }, { a: [{ b: 2 }] })).toEqual([".a.0.b"]);
});
