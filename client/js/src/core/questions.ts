/** Questions about the past of documents that are not answered yet. */
import type { HistoryPart } from "../wire/server.js";
import type { Doc } from "./doc.js";

/** One part of an answer, or why there will be none. */
export type HistoryAnswer = HistoryPart | { readonly code: number; readonly message: string };

interface Question { readonly doc: Doc; readonly listener: (answer: HistoryAnswer) => void }

export class Questions {
  readonly #open = new Map<number, Question>();

  add(request: number, doc: Doc, listener: (answer: HistoryAnswer) => void): void {
    this.#open.set(request, { doc, listener });
  }

  /** False: nobody asked. The question goes before its answer is told: its listener may ask for more. */
  answer(request: number, answer: HistoryAnswer): boolean {
    const question = this.#open.get(request);
    if (question === undefined) return false;
    if (!("more" in answer && answer.more)) this.#open.delete(request);
    question.listener(answer);
    return true;
  }

  /** No answer will come; `doc` undefined: to none of them. */
  fail(doc: Doc | undefined, code: number, message: string): void {
    for (const [request, question] of this.#open) {
      if (doc === undefined || question.doc === doc) this.answer(request, { code, message });
    }
  }
}
