/** 16 bytes as 32 lower-case hex digits: compares as the bytes do. */
export type ClientId = string;

export const idToBytes = (id: ClientId): Uint8Array => Uint8Array.from(id.match(/../g) ?? [], (byte) => parseInt(byte, 16));
export const idFromBytes = (bytes: Uint8Array): ClientId =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const isClientId = (id: unknown): id is ClientId => typeof id === "string" && /^[0-9a-f]{32}$/.test(id);
