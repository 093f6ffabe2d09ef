/**
 * dns: which names a task may know and where they lead, answers to its questions from that, and the messages' codec.
 * It opens no socket.
 */
export { answerQuery } from "./answer.ts";
export { fitAnswer, type Query, readQuery, writeAnswer } from "./message.ts";
export { addressesOf, type NetworkNames, type Zone } from "./zone.ts";
export { type NameFacts, Zones } from "./zones.ts";
