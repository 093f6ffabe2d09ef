import { Fault } from "../lib/index.ts";
import type { Xfrm, XfrmOperation, XfrmState } from "../netstate/index.ts";
import { NETLINK_XFRM, NetlinkSocket, type Refusal } from "./netlink/socket.ts";
import {
  policyBody,
  policyName,
  readXfrm,
  reqidOf,
  stateBody,
  stateName,
  XFRM_MSG_DELPOLICY,
  XFRM_MSG_DELSA,
  XFRM_MSG_GETPOLICY,
  XFRM_MSG_GETSA,
  XFRM_MSG_NEWSA,
  XFRM_MSG_UPDPOLICY,
} from "./netlink/xfrm.ts";

const EEXIST = 17;
/** EPROTONOSUPPORT, and ENOSYS or ENOENT from the cipher: what a kernel without ESP or AES-GCM says. */
const LACKING: ReadonlySet<number> = new Set([2, 38, 93]);

export const NO_IPSEC = "this kernel has no IPsec";
const NO_ESP = "this kernel has no ESP with AES-GCM";
/** Between addresses that no machine has (RFC 5737). */
const PROBE: XfrmState = {
  source: "192.0.2.1",
  destination: "192.0.2.2",
  spi: 0x53ff_ffff,
  port: 9,
  key: "0".repeat(40),
};

/** IPsec of one namespace, as far as it bears a swarm's mark. */
export class XfrmTables {
  readonly #socket: NetlinkSocket | undefined;
  readonly #reqid: number;

  /** To be called inside the namespace. */
  constructor(tag: string) {
    this.#reqid = reqidOf(tag);
    this.#socket = openSocket();
  }

  /** Netlink address of the socket; undefined when the kernel has no IPsec. */
  get port(): number | undefined {
    return this.#socket?.port;
  }

  /** Why the kernel would take no key, "" when it takes one: it is given one that nobody uses, and it is taken back. */
  lack(): string {
    if (this.#socket === undefined) return NO_IPSEC;
    const refusal = this.#putState(this.#socket, PROBE);
    // Another swarm's probe: the kernel took that one.
    if (refusal?.errno === EEXIST) return "";
    if (refusal !== undefined) return LACKING.has(refusal.errno) ? NO_ESP : refusal.text;
    this.#socket.request(XFRM_MSG_DELSA, 0, stateName(PROBE));
    return "";
  }

  /** Undefined when there is nothing of ours. */
  read(): Xfrm | undefined {
    if (this.#socket === undefined) return undefined;
    const [states, policies] = [XFRM_MSG_GETSA, XFRM_MSG_GETPOLICY].map((type) => this.#socket?.dump(type));
    const found = readXfrm(states ?? [], policies ?? [], this.#reqid);
    return found.states.length + found.policies.length === 0 ? undefined : found;
  }

  run(operation: XfrmOperation): Refusal | undefined {
    const socket = this.#socket;
    if (socket === undefined) throw new Fault("unsupported", NO_IPSEC);
    switch (operation.op) {
      case "put-xfrm-state":
        return explained(this.#putState(socket, operation.state));
      case "put-xfrm-policy":
        return socket.request(XFRM_MSG_UPDPOLICY, 0, policyBody(operation.policy, this.#reqid));
      case "remove-xfrm-policy":
        return socket.request(XFRM_MSG_DELPOLICY, 0, policyName(operation.policy));
      case "remove-xfrm-state":
        return socket.request(XFRM_MSG_DELSA, 0, stateName(operation.state));
    }
  }

  /** Whether the kernel itself stops what would come or go in clear at this port. */
  guards(port: number): boolean {
    const policies = this.read()?.policies ?? [];
    const all = policies.filter(
      (p) => p.port === port && p.source === undefined && p.destination === undefined,
    );
    return all.some((p) => p.direction === "in") && all.some((p) => p.direction === "out");
  }

  close(): void {
    this.#socket?.close();
  }

  /** A state's key cannot be changed: it makes room for the other. Somebody else's state of that name stays, and ours is refused. */
  #putState(socket: NetlinkSocket, state: XfrmState): Refusal | undefined {
    const body = stateBody(state, this.#reqid);
    const refusal = socket.request(XFRM_MSG_NEWSA, 0, body);
    if (refusal?.errno !== EEXIST) return refusal;
    if (!this.#isOurs(state)) return { ...refusal, text: `${refusal.text}: the SPI is somebody else's` };
    socket.request(XFRM_MSG_DELSA, 0, stateName(state));
    return socket.request(XFRM_MSG_NEWSA, 0, body);
  }

  #isOurs({ destination, spi }: XfrmState): boolean {
    const states = this.read()?.states ?? [];
    return states.some((state) => state.destination === destination && state.spi === spi);
  }
}

/** A kernel may have been built without. */
function openSocket(): NetlinkSocket | undefined {
  try {
    return new NetlinkSocket(NETLINK_XFRM);
  } catch {
    return undefined;
  }
}

function explained(refusal: Refusal | undefined): Refusal | undefined {
  if (refusal === undefined || !LACKING.has(refusal.errno)) return refusal;
  return { ...refusal, text: `${NO_ESP} (${refusal.text})` };
}
