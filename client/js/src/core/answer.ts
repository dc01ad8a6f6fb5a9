/** Opened, asked for or not, in parts (docs/protocol.md, "Opening" and "Resync"). */
import type { Opened } from "../wire/server.js";
import { giveBack, guessOwnIsIn, mergeContent, replaceContent, tellGuessed } from "./merge.js";
import { place, unfreeze } from "./place.js";
import { type Answer, type DocState, type Flight, Need } from "./state.js";

const DOCUMENT_MAX = 65 * 1024 * 1024;

const ownIsInContent = (answer: Answer, flight: Flight | undefined): boolean =>
  flight !== undefined && answer.header.lastClientSeq === flight.clientSeq &&
  answer.header.lastClientServerSeq <= answer.contentSeq;

/** The server forgets authors who have not written for long. One whose op in flight was based on what came after the newest
 * op of all that it forgot would not be among them: that op is not committed. For any other op nobody knows. */
const authorIsForgotten = (answer: Answer, flight: Flight | undefined): boolean =>
  flight !== undefined && answer.header.lastClientSeq === 0 && flight.baseSeq < answer.header.forgottenSeq;

/** Undefined: the server contradicts itself or us, or the document failed. */
function begin(doc: DocState, part: Opened): Answer | undefined {
  const isOurs = doc.hasContent && part.lineage === doc.lineage;
  if (part.content === undefined && !isOurs) return undefined;
  if (part.type !== "text") {
    if (isOurs) return undefined;
    if (doc.hasContent) giveBack(doc, "replaced", 0, "");
    doc.hasContent = false;
    doc.fail(415, "a document of an unknown type");
    return undefined;
  }
  return doc.answer = {
    hasContent: part.content !== undefined, isInstalled: false, texts: [], contentSeq: part.content?.seq ?? 0,
    contentDeleted: part.content?.deleted ?? false, header: part,
  };
}

function* merge(doc: DocState, answer: Answer, content: string, isDoubtful: boolean): Generator<void> {
  const { flight } = doc;
  const isIn = isDoubtful && flight !== undefined ? guessOwnIsIn(doc, flight, content) : ownIsInContent(answer, flight);
  yield* mergeContent(doc, content, answer.contentSeq, isIn);
  if (flight === undefined) return;
  // If it is not in the content, it may yet be among the ops that follow.
  flight.isDoubtful = isDoubtful && !isIn;
  if (!isIn) return;
  if (isDoubtful) tellGuessed(doc, flight, true);
  else doc.listener.acked?.(flight.clientSeq, answer.header.lastClientServerSeq);
}

/** All parts of the content are there: it becomes confirmed. */
function* install(doc: DocState, answer: Answer): Generator<void> {
  const content = answer.texts.join("");
  answer.isInstalled = true;
  answer.texts.length = 0;
  doc.presence.forget();
  const isRelated = doc.hasContent && !doc.isDeleted && !answer.contentDeleted && answer.header.lineage === doc.lineage;
  const isDoubtful = isRelated && authorIsForgotten(answer, doc.flight);
  if (isRelated && !doc.isReshaping) {
    yield* merge(doc, answer, content, isDoubtful);
    return;
  }
  const reason = answer.contentDeleted ? "deleted" : isDoubtful ? "fate-unknown" : "replaced";
  replaceContent(doc, content, answer.contentSeq, answer.header.lineage, answer.contentDeleted, reason);
}

/** What became of the op in flight, now that everything up to head is placed. */
function settle(doc: DocState, answer: Answer): void {
  const { flight } = doc, { header } = answer;
  if (header.lastClientSeq >= doc.nextClientSeq) doc.nextClientSeq = header.lastClientSeq + 1;
  doc.retryAtMs = 0; // a pause was asked for by a server that is not the same any more
  if (flight === undefined) return;
  if (flight.isOvertaken && (header.lastClientSeq >= flight.clientSeq || authorIsForgotten(answer, flight))) {
    doc.flight = undefined;
    if (header.lastClientSeq === flight.clientSeq) doc.listener.acked?.(flight.clientSeq, header.lastClientServerSeq);
    return;
  }
  if (header.lastClientSeq >= flight.clientSeq) {
    // Committed, says the server, but neither in what we lacked nor known here as ours: two instances under one client_id,
    // or a damaged record. To send it again or to drop it might both be wrong.
    giveBack(doc, "fate-unknown", 0, "");
    return;
  }
  // That the author is forgotten leaves no doubt where all ops from its base on have passed by here: it is in none of them.
  // Only content in their place does. Below the horizon it can never commit as it is. (Otherwise it may even now be on its
  // way in.)
  if (flight.baseSeq < header.horizon || flight.isDoubtful) flight.isRefused = true;
  if (flight.isRefused) unfreeze(doc);
  flight.isSent = false;
  if (flight.isDoubtful) tellGuessed(doc, flight, false);
}

function end(doc: DocState, answer: Answer): void {
  if (doc.seq !== answer.header.head) {
    doc.answer = undefined;
    doc.wish(Need.reconnect);
    return;
  }
  settle(doc, answer);
  doc.permission = answer.header.permission;
  doc.isViewer = answer.header.viewer;
  doc.answer = undefined;
  doc.phase = "live";
  doc.wasOpen = true;
  doc.isUnavailable = false;
  if (doc.flight !== undefined) doc.flight.attemptCount = 0;
  doc.presence.isDue = doc.presence.own !== undefined;
  doc.listener.opened?.();
}

function addContent(answer: Answer, part: Opened): boolean {
  const { content } = part;
  if (content === undefined) return true;
  if (!answer.hasContent || answer.isInstalled) return false;
  // Content of a type that is set in another member than ours is content that we cannot read.
  if (content.isForeign || content.text.includes("\0")) return false;
  answer.texts.push(content.text);
  return answer.texts.reduce((sum, text) => sum + text.length, 0) <= DOCUMENT_MAX;
}

/** False: the server contradicts itself. Yields: a long answer need not be placed at one go. */
function* add(doc: DocState, part: Opened): Generator<void, boolean> {
  const answer = doc.answer ?? begin(doc, part);
  if (answer === undefined) return false;
  const { header } = answer;
  answer.header = {
    ...header, head: Math.max(header.head, part.head),
    ...(part.lastClientSeq > header.lastClientSeq
      ? { lastClientSeq: part.lastClientSeq, lastClientServerSeq: part.lastClientServerSeq } : {}),
  };
  if (!addContent(answer, part)) return false;
  for (const committed of part.ops) {
    if (answer.hasContent && !answer.isInstalled) yield* install(doc, answer);
    if (!place(doc, committed)) return true; // it said itself what is to be done
    yield;
  }
  if (part.more) return true;
  if (answer.hasContent && !answer.isInstalled) yield* install(doc, answer);
  end(doc, answer);
  return true;
}

export function* receiveOpened(doc: DocState, part: Opened): Generator<void> {
  if (doc.isDeaf || doc.need === Need.reopen) return;
  if (!(yield* add(doc, part))) {
    doc.answer = undefined;
    doc.wish(Need.reconnect);
  }
  if ((doc.need as Need) === Need.reopen || doc.error !== undefined) doc.answer = undefined;
  doc.tellStatus();
}
