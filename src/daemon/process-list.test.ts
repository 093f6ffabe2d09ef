import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { listProcesses, processesIn } from "./process-list.ts";

const never = new AbortController().signal;
const PS = `UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 08:00 ?        00:00:01 /sbin/init splash
root          42       1  0 08:01 ?        00:00:00 sh -c echo  a; sleep 9
app         4242      42  0 08:01 pts/0    00:00:00 sleep 9
`;

test("rows of the container's processes alone, the command in one piece", () => {
  expect(processesIn(PS, [42, 4242, 7])).toEqual({
    titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
    processes: [
      ["root", "42", "1", "0", "08:01", "?", "00:00:00", "sh -c echo a; sleep 9"],
      ["app", "4242", "42", "0", "08:01", "pts/0", "00:00:00", "sleep 9"],
    ],
  });
});

test("what has no column of pids cannot be told apart, and is refused", () => {
  expect(() => processesIn("CMD\nsh\n", [1])).toThrow("Couldn't find PID field in ps output");
  expect(() => processesIn("", [1])).toThrow("Couldn't find PID field in ps output");
});

test("this machine's ps, with the user's own columns", async () => {
  const child = spawn("sleep", ["1000"]);
  try {
    const { titles, processes } = await listProcesses([child.pid ?? 0], "-eo pid,comm", never);
    expect([titles, processes]).toEqual([["PID", "COMMAND"], [[String(child.pid), "sleep"]]]);
  } finally {
    child.kill();
  }
});

test("no other column may call itself PID, and no word reaches a shell", async () => {
  await expect(listProcesses([1], "-o ppid=PID", never)).rejects.toThrow(
    'specifying "ppid=PID" is not allowed',
  );
  await expect(listProcesses([1], "-ef; echo PID", never)).rejects.toMatchObject({ kind: "invalid" });
});
