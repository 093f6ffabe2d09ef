/**
 * resolver: answers the tasks' questions for names at their node's address, in a thread of its own, and asks upstreams for the rest.
 * What it knows comes in whole, as facts; nothing comes out but trouble, as log lines. It decides nothing about names:
 * `dns` says what is answered.
 */
export { ThreadResolver } from "./thread-resolver.ts";
