/**
 * dns: answers to DNS questions of tasks, as a pure function of what the asker may know, and the messages' codec.
 * It opens no socket and knows no task.
 */
export { plainName, reverseAddress, type Zone } from "./zone.ts";
