/** A refusal. `code` is like HTTP's where the server said it: 401, 403, 404, 410 (not kept any more), 429, 503 …; 400 for calls
 * that make no sense, 409 for a document that cannot be edited now, 499 for what was closed meanwhile. */
export class OrdoError extends Error {
  override name = "OrdoError";
  constructor(readonly code: number, message: string) { super(message); }
}
