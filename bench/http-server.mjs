// Answers every request with two bytes: the least a request can cost. Run inside a task's network by bench/traffic.ts.
import { createServer } from "node:http";

createServer((_, response) => response.end("ok")).listen(Number(process.argv[2]));
