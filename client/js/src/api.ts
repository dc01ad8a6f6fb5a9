export type { Anchor, SavedAnchor } from "./anchors.js";
export type { Change } from "./changes.js";
export { Client, type ClientEvents, type ConnectOptions, type OpenOptions } from "./client.js";
export type { GivenBack, GiveBackReason, Guess, Status } from "./core/types.js";
export { type ChangeEvent, Document, type DocumentEvents, type Origin } from "./document.js";
export { OrdoError } from "./errors.js";
export { type PastContent, type PastEdit, Playback, type Run } from "./history.js";
export type { Identity, Person, Selection } from "./people.js";
export type { Hold, Storage } from "./storage/storage.js";
