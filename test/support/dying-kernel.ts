import { readFileSync } from "node:fs";
import { LinuxKernel } from "../../src/kernel/linux-kernel.ts";
import { NetlinkSocket } from "../../src/kernel/netlink/socket.ts";
import { NftContext } from "../../src/kernel/nft-context.ts";
import { silentLog } from "../../src/lib/index.ts";
import type { NodeNetwork } from "../../src/netstate/index.ts";
import { systemClock } from "../../src/sys/index.ts";

/**
 * Makes a NodeNetwork true, and is killed right before one of its requests to the kernel: `dying-kernel.js FOLDER FILE N`. The
 * namespaces' folder, the network as JSON, and before which request; 0: it lives, and prints how many there were.
 */
const [folder = "", file = "", at = "0"] = process.argv.slice(2);
let requests = 0;

function count(): void {
  if (++requests === Number(at)) process.kill(process.pid, "SIGKILL");
}

const { request } = NetlinkSocket.prototype;
NetlinkSocket.prototype.request = function (...words) {
  count();
  return request.apply(this, words);
};
const { run } = NftContext.prototype;
NftContext.prototype.run = function (commands) {
  count();
  return run.call(this, commands);
};

const kernel = new LinuxKernel({ tag: "sh", netnsDir: folder, clock: systemClock, log: silentLog });
const { failures } = await kernel.apply(JSON.parse(readFileSync(file, "utf8")) as NodeNetwork);
process.stdout.write(JSON.stringify({ requests, failures }));
process.exit();
