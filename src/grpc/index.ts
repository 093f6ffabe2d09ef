/**
 * grpc: typed gRPC calls from protobuf-es descriptions over grpc-js, and typed methods for a server. It knows no
 * service, accepts no connection and decides nothing about who may call.
 */
export { GrpcClient } from "./client.ts";
export { faultOf, statusOf } from "./fault-status.ts";
export { GrpcServer } from "./server.ts";
