import { expect, test } from "vitest";
import { resolveAddresses, resolveAdvertise, splitAddress } from "./addresses.ts";
import { readConfig } from "./config.ts";

const none = () => false;
const asked = { listenAddress: "", advertiseAddress: "", dataPathAddress: "" };

test("addresses come with or without a port", () => {
  expect(splitAddress("10.0.0.1:99")).toEqual({ host: "10.0.0.1", port: 99 });
  expect(splitAddress("10.0.0.1")).toEqual({ host: "10.0.0.1", port: 2377 });
});

test("what cannot be advertised is refused in Docker's words", () => {
  expect(() => resolveAdvertise("0.0.0.0", none)).toThrow("must be a non-zero IP address");
  expect(() => resolveAdvertise("no-such-device", none)).toThrow("or network interface");
  expect(() => resolveAdvertise(undefined, () => true)).toThrow(
    "could not find the system's IP address - specify one with --advertise-addr",
  );
});

test("the tunnels end at the advertised address unless said otherwise", () => {
  const config = readConfig([]);
  const addresses = resolveAddresses(config, { ...asked, advertiseAddress: "192.0.2.7:2400" });
  expect(addresses).toEqual({
    advertiseAddress: "192.0.2.7",
    dataPathAddress: "192.0.2.7",
    listenAddress: "0.0.0.0:2377",
    managerAddress: "192.0.2.7:2400",
  });
  const apart = resolveAddresses(config, {
    ...asked,
    advertiseAddress: "192.0.2.7",
    dataPathAddress: "192.0.2.8",
  });
  expect(apart.dataPathAddress).toBe("192.0.2.8");
});

test("the configured address stands in where the request names none", () => {
  const config = readConfig(["--advertise-addr", "192.0.2.9"]);
  const { advertiseAddress, managerAddress } = resolveAddresses(config, {
    ...asked,
    listenAddress: "0.0.0.0:2500",
  });
  expect([advertiseAddress, managerAddress]).toEqual(["192.0.2.9", "192.0.2.9:2500"]);
});
