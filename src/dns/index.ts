/**
 * dns: answers to DNS questions of tasks, as a pure function of what the asker may know, and the messages' codec.
 * It opens no socket and knows no task.
 */
export { answerQuery } from "./answer.ts";
export { fitAnswer, type Query, readQuery, writeAnswer } from "./message.ts";
export { addressesOf, type NetworkNames, plainName, type Standing, type Zone } from "./zone.ts";
