/**
 * grpc: typed gRPC calls from protobuf-es descriptions over grpc-js, and typed methods for a server. It knows no
 * service, accepts no connection and decides nothing about who may call.
 */
export { type CallSettings, GrpcClient, type GrpcTarget, wire } from "./client.ts";
export { faultOf, statusOf } from "./fault-status.ts";
export { type BidiHandler, GrpcServer, type GrpcServerOptions, type UnaryHandler } from "./server.ts";
