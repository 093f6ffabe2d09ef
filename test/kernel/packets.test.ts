import { BALANCERS } from "../../src/dataplane/index.ts";
import { describeCrowd } from "./crowd.contract.ts";
import { describePackets } from "./packets.contract.ts";

describePackets("nftables", { balancer: BALANCERS.nftables });
describeCrowd("nftables", BALANCERS.nftables);
