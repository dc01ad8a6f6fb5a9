// The wire of DESIGN section 8 as JavaScript objects: proto/ordo.proto is read at run time and nothing else of Ordo's.
//
// Field names are those of the file (snake_case), numbers are JavaScript numbers (the protocol keeps them below 2^53),
// bytes are Buffers. A message is { request, doc, body: "<name>", <name>: {…} }.
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const protoPath = process.env.ORDO_PROTO ?? fileURLToPath(new URL("../../../proto/ordo.proto", import.meta.url));
const root = new protobuf.Root().loadSync(protoPath, { keepCase: true });
const ClientFrame = root.lookupType("ordo.v1.ClientFrame");
const ServerFrame = root.lookupType("ordo.v1.ServerFrame");
const asObject = { longs: Number, bytes: Buffer, defaults: true, arrays: true, oneofs: true };

export const SUBPROTOCOL = "ordo.v1";
export const NackCode = root.lookupEnum("ordo.v1.NackCode").values;
export const Permission = root.lookupEnum("ordo.v1.Permission").values;
export const Status = root.lookupEnum("ordo.v1.DocumentStatus.State").values;

/** Bytes of one frame that carries these messages, e.g. encodeClient({ doc: 1, submit: {…} }). */
export function encodeClient(...messages) {
  return Buffer.from(ClientFrame.encode(ClientFrame.fromObject({ messages })).finish());
}

export function encodeServer(...messages) {
  return Buffer.from(ServerFrame.encode(ServerFrame.fromObject({ messages })).finish());
}

/** The messages of one frame; throws on what is not a frame. */
export function decodeServer(bytes) {
  return ServerFrame.toObject(ServerFrame.decode(bytes), asObject).messages;
}

export function decodeClient(bytes) {
  return ClientFrame.toObject(ClientFrame.decode(bytes), asObject).messages;
}

/** The nack's name, for messages to people. */
export function nackName(code) {
  return Object.keys(NackCode).find((name) => NackCode[name] === code) ?? String(code);
}
