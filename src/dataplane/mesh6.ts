import { subnetsOf } from "../lib/index.ts";
import { EMPTY_NAMESPACE, type Namespace } from "../netstate/index.ts";
import { type GatewayLayout, macOf } from "./addresses.ts";
import { embed, linkSysctls6, twinOnIngress } from "./addresses6.ts";
import { entryMarks, markRules, meshTable } from "./mesh.ts";
import type { Names } from "./names.ts";
import type { Survey } from "./survey.ts";

/** The mesh for IPv6 clients: the same leg, marks and doors as for IPv4 (`meshPart`). */
export function meshPart6(names: Names, survey: Survey, gateway: GatewayLayout): Namespace {
  const vxlan = names.vxlan(survey.network.vni);
  const marks = entryMarks(survey);
  const link = names.hostLeg;
  const subnets = subnetsOf(survey.network).map(twinOnIngress);
  const host = embed("gateway", gateway.meshHost);
  return {
    ...EMPTY_NAMESPACE,
    addresses: [{ link, address: `${embed("gateway", gateway.meshSandbox)}/128` }],
    routes: [
      { destination: `${host}/128`, link },
      { destination: "::/0", link, via: host, onlink: true },
      ...marks.map(({ address, mark }) => ({
        destination: "::/0",
        link: vxlan,
        via: embed("node", address),
        table: mark,
      })),
    ],
    rules: markRules(marks).map((rule) => ({ ...rule, from: "::/0" })),
    neighbours: [{ link, address: host, mac: macOf(gateway.meshHost) }],
    sysctls: linkSysctls6([link]),
    tables: [meshTable("ip6", names, vxlan, { marks, subnets })],
  };
}
