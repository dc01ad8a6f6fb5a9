// proto/ordo.proto as a protobuf library reads it: what the client's own reading and writing of messages is held against.
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = new protobuf.Root();
root.loadSync(fileURLToPath(new URL("../../../proto/ordo.proto", import.meta.url)), { keepCase: true });
const ClientFrame = root.lookupType("ordo.v1.ClientFrame"), ServerFrame = root.lookupType("ordo.v1.ServerFrame");
export const CreateDocument = root.lookupType("ordo.v1.CreateDocument"), TextOp = root.lookupType("ordo.v1.TextOp");
export const NackCode = root.lookupEnum("ordo.v1.NackCode").values;
const asObject = { longs: Number, bytes: Buffer, defaults: true, arrays: true, oneofs: true };

export const encodeServer = (...messages) => new Uint8Array(ServerFrame.encode(ServerFrame.fromObject({ messages })).finish());
export const decodeClient = (bytes) => ClientFrame.toObject(ClientFrame.decode(Buffer.from(bytes)), asObject).messages;
export const encodeClient = (...messages) => new Uint8Array(ClientFrame.encode(ClientFrame.fromObject({ messages })).finish());
