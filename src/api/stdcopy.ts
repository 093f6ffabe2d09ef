/**
 * Docker's framing of two streams in one (moby's pkg/stdcopy): eight bytes of header, then the payload.
 * Byte 0 is the stream, bytes 4 to 7 the payload's length, big endian.
 */

const STREAMS = { stdin: 0, stdout: 1, stderr: 2, systemerr: 3 } as const;

export type StdStream = keyof typeof STREAMS;

/** The content type of a framed stream since API 1.42. */
export const MULTIPLEXED: string = "application/vnd.docker.multiplexed-stream";
/** The content type of a terminal's stream. */
export const RAW: string = "application/vnd.docker.raw-stream";

/** One payload as a frame. `systemerr` ends the client's copy with the payload as its error. */
export function frame(stream: StdStream, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + payload.length);
  out[0] = STREAMS[stream];
  new DataView(out.buffer).setUint32(4, payload.length);
  out.set(payload, 8);
  return out;
}
