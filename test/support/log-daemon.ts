import { join } from "node:path";
import { silentLog } from "../../src/lib/index.ts";
import { LogStore } from "../../src/runtime/log-store.ts";
import { systemClock } from "../../src/sys/index.ts";

/** A daemon that does nothing but pump one container's log: `log-daemon.ts FOLDER ID STDOUT STDERR`. Says when it has read something. */
const [folder = "", id = "", stdoutFifo = "", stderrFifo = ""] = process.argv.slice(2);
const store = new LogStore({ folder: (name) => join(folder, name), clock: systemClock, log: silentLog });
await store.open(id, { stdoutFifo, stderrFifo, maxBytes: 1_000_000, maxFiles: 1000 });
let lines = 0;
const options = { follow: true, stdout: true, stderr: true, tail: 0 };
for await (const _ of store.read(id, options, () => true, new AbortController().signal)) {
  lines++;
  if (lines === 2000) process.stdout.write("reading\n");
}
