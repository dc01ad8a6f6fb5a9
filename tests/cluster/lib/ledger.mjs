// What everyone saw of the order: one place has one op, one op has one place. All clients of a test note into one
// ledger, so a server_seq that two of them saw with different ops, or an op that came twice, fails the test.
export class Ledger {
  constructor() {
    this.documents = new Map(); // name → { byPlace: seq → entry, places: op id → seq }
  }

  note(name, seq, clientId, clientSeq, op) {
    if (!this.documents.has(name)) this.documents.set(name, { byPlace: new Map(), places: new Map() });
    const { byPlace, places } = this.documents.get(name);
    const opId = `${clientId.toString("hex")}:${clientSeq}`;
    const entry = `${opId} ${JSON.stringify(op)}`;
    const known = byPlace.get(seq);
    if (known !== undefined && known !== entry) {
      throw new Error(`server_seq ${seq} of ${name} was seen as two ops: ${known} and ${entry}`);
    }
    if (clientSeq > 0 && (places.get(opId) ?? seq) !== seq) { // client_seq 0: the create of an Open, never deduped
      throw new Error(`op ${opId} of ${name} was seen at ${places.get(opId)} and at ${seq}`);
    }
    byPlace.set(seq, entry);
    places.set(opId, seq);
  }

  count(name) { return this.documents.get(name)?.byPlace.size ?? 0; }
}
