import { connect } from "ordo-client";

const client = connect({ url: process.env.ORDO_URL ?? "ws://127.0.0.1:8080/v1/ws" });
const doc = client.open("notes", "hello", { create: true });
await doc.ready;
doc.on("change", ({ origin }) => console.log(`${origin}: ${doc.text}`));
doc.insert(doc.length, "Hello, world! ");
await doc.saved();
console.log("saved at", doc.seq);
await client.close();
