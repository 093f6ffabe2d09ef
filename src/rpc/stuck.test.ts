import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AgentMessageSchema, Dispatcher } from "../gen/shoal/rpc_pb.ts";
import { FakeClock, silentLog } from "../lib/index.ts";
import { systemRandom as random, systemClock } from "../sys/index.ts";
import { CertifiedCluster } from "./cluster.fake.ts";
import { managerClient } from "./manager-client.ts";
import { STALL_MS } from "./outbox.ts";
import { NO_VISITS } from "./rpc.fake.ts";
import { RpcServer } from "./rpc-server.ts";
import type { SessionStream } from "./services.ts";

const refuse = () => Promise.reject(new Error("not asked for here"));
const certificates = { getRoot: refuse, issue: refuse, renew: refuse };

test("an agent that reads nothing, though its machine answers, is cut off", async () => {
  const clock = new FakeClock(systemClock.now());
  const cluster = await CertifiedCluster.create("cluster-1", { clock, random });
  let stream: SessionStream | undefined;
  let signal: AbortSignal | undefined;
  let ended: unknown = "not yet";
  const server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog },
    identity: await cluster.identity("manager-1", "manager"),
    services: {
      certificates,
      visits: NO_VISITS,
      dispatcher: {
        async session(_peer, served, over) {
          [stream, signal] = [served, over];
          try {
            for await (const _ of served.messages);
            ended = "well";
          } catch (error) {
            ended = error;
          }
        },
        beat: () => 1,
      },
    },
  });
  const identity = await cluster.identity("node-1", "worker");
  const client = managerClient(`127.0.0.1:${server.port}`, { kind: "node", identity });
  const call = client.bidi(Dispatcher.method.session);
  call.on("error", () => undefined);
  call.write(create(AgentMessageSchema, { kind: { case: "applied", value: { sequence: 1n } } }));
  await expect.poll(() => stream).toBeDefined();

  const json = "x".repeat(2 ** 20);
  const set = { complete: true, appliesTo: 0, resultsIn: 1, removals: [] };
  for (let i = 0; i < 8; i++)
    stream!.send({ kind: "assignments", ...set, upserts: [{ key: "task/1", json }] });
  await clock.advance(STALL_MS - 1_000);
  expect(ended).toBe("not yet");
  // What fits in the connection's buffers has left meanwhile; the rest never does.
  await expect
    .poll(async () => {
      await clock.advance(STALL_MS);
      return ended;
    })
    .toMatchObject({
      kind: "unavailable",
      message: "session ended: nothing was read for 30 s at the other end",
    });
  expect(signal?.aborted).toBe(false);
  await clock.advance(5_000);
  await expect.poll(() => signal?.aborted).toBe(true);
  client.close();
  await Promise.all([server.close(), clock.advance(10_000)]);
});
