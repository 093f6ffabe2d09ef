/**
 * wire: Docker's JSON to model's nouns and back, one file per noun; times, filters and durations in Docker's words.
 * Pure. It decides nothing about the cluster and knows no HTTP.
 */
export * from "./filters.ts";
export * from "./system.ts";
export * from "./time.ts";
