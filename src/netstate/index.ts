/**
 * netstate: the words of kernel networking as values (NodeNetwork), their print, and the difference of two of them.
 * It never calls the kernel and knows no service.
 */
export * from "./node-network.ts";
export * from "./print.ts";
