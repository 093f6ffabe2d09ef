import { FakeClock } from "../lib/clock.fake.ts";
import { silentLog } from "../lib/index.ts";
import { systemClock as clock, systemRandom as random } from "../sys/index.ts";
import { CertifiedCluster } from "./cluster.fake.ts";
import { connectDispatcher } from "./connect-dispatcher.ts";
import { connectFake, NO_VISITS } from "./rpc.fake.ts";
import { RpcServer } from "./rpc-server.ts";
import type { CertificatesService } from "./services.ts";
import { sessionContract } from "./session.contract.ts";

const noCertificates: CertificatesService = {
  getRoot: () => Promise.reject(new Error("not asked for here")),
  issue: () => Promise.reject(new Error("not asked for here")),
  renew: () => Promise.reject(new Error("not asked for here")),
};

sessionContract("in memory", async (dispatcher) => {
  const peer = { nodeId: "node-1", role: "worker", clusterId: "cluster-1", address: "127.0.0.1" } as const;
  return { connect: async (signal) => connectFake(dispatcher, peer, signal), stop: async () => {} };
});

sessionContract("over TLS on loopback", async (dispatcher) => {
  const cluster = await CertifiedCluster.create("cluster-1", { clock, random });
  const server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog },
    identity: await cluster.identity("manager-1", "manager"),
    services: { certificates: noCertificates, dispatcher, visits: NO_VISITS },
  });
  const identity = await cluster.identity("node-1", "worker");
  const address = `127.0.0.1:${server.port}`;
  const never = new AbortController().signal;
  // No time passes for the agent: a close that takes a busy machine long is not cut short.
  const still = new FakeClock();
  return {
    connect: (signal) => connectDispatcher({ address, identity, clock: still }, signal ?? never),
    stop: () => server.close(),
  };
});
