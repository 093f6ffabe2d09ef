/**
 * grpc: typed gRPC calls from protobuf-es descriptions over grpc-js. It knows no service.
 */
export { type CallSettings, faultOf, GrpcClient, type GrpcTarget, wire } from "./client.ts";
