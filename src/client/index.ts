/**
 * client: the Engine API from the outside, as any client of Docker's speaks it. It knows addresses and HTTP, and no noun.
 */
export { EngineClient } from "./engine-client.ts";
