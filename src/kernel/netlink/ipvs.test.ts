import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIpv4, formatIpv6 } from "../../lib/index.ts";
import type { NetlinkMessage } from "./codec.ts";
import {
  destinationBody,
  IPVS_CMD_NEW_DEST,
  IPVS_CMD_NEW_SERVICE,
  IPVS_CMD_SET_CONFIG,
  readDestination,
  readService,
  readTimeouts,
  timeoutsBody,
  wholeServiceBody,
} from "./ipvs.ts";
import { AF_INET, AF_INET6 } from "./marks.ts";

const message = (body: Buffer): NetlinkMessage => ({ type: 0, flags: 0, sequence: 0, port: 0, body });
const mark = fc.integer({ min: 1, max: 0xffff_ffff });
const port = fc.nat({ max: 65_535 });
const seconds = fc.nat({ max: 1_000_000 });

test("a service and a destination as they are asked for are read back as they are", () => {
  const four = fc.nat({ max: 0xffff_ffff }).map((n) => ({ family: AF_INET, address: formatIpv4(n) }));
  const six = fc.bigInt({ min: 1n << 120n, max: (1n << 128n) - 1n }).map((n) => ({
    family: AF_INET6,
    address: formatIpv6(n),
  }));
  const scheduler = fc.constantFrom("rr", "wlc");
  fc.assert(
    fc.property(fc.oneof(four, six), mark, port, scheduler, (to, of, at, by) => {
      const name = { family: to.family, mark: of };
      const service = { family: "ip", mark: of, scheduler: by, drains: true, destinations: [] } as const;
      const asked = message(wholeServiceBody(IPVS_CMD_NEW_SERVICE, name, service));
      expect(readService(asked)).toEqual({ name, scheduler: by });
      const destination = { address: to.address, port: at };
      const put = message(destinationBody(IPVS_CMD_NEW_DEST, name, destination, 1));
      expect(readDestination(put, to.family)).toEqual({ destination, weight: 1, byNat: true });
    }),
  );
});

test("timeouts too", () => {
  fc.assert(
    fc.property(seconds, seconds, seconds, (tcp, tcpFin, udp) => {
      expect(readTimeouts(message(timeoutsBody({ tcp, tcpFin, udp })))).toEqual({ tcp, tcpFin, udp });
    }),
  );
  expect(timeoutsBody({ tcp: 1, tcpFin: 1, udp: 1 })[0]).toBe(IPVS_CMD_SET_CONFIG);
});
