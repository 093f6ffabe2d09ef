import { BALANCERS } from "../../src/dataplane/index.ts";
import { describeOnePort } from "./one-port.contract.ts";

describeOnePort("nftables", BALANCERS.nftables, ["two other nodes", "another node and the task's own"]);
