/** Questions about documents that are not answered yet: about their past, and to forget it. */
import type { HistoryPart } from "../wire/server.js";
import type { Doc } from "./doc.js";

/** Why there will be no answer. */
export interface Refusal { readonly code: number; readonly message: string }
/** One part of an answer. */
export type HistoryAnswer = HistoryPart | Refusal;
export type ForgetAnswer = { readonly head: number } | Refusal;

export type Question =
  | { readonly kind: "history"; readonly doc: Doc; readonly listener: (answer: HistoryAnswer) => void }
  | { readonly kind: "forget"; readonly doc: Doc; readonly listener: (answer: ForgetAnswer) => void };

export class Questions {
  readonly #open = new Map<number, Question>();

  add(request: number, question: Question): void { this.#open.set(request, question); }

  // A question goes before its answer is told: its listener may ask for more. An answer that nobody asked for is passed over.

  history(request: number, part: HistoryPart): void {
    const question = this.#open.get(request);
    if (question?.kind !== "history") return;
    if (!part.more) this.#open.delete(request);
    question.listener(part);
  }

  forgotten(request: number, head: number): void {
    const question = this.#open.get(request);
    if (question?.kind !== "forget") return;
    this.#open.delete(request);
    question.listener({ head });
  }

  /** False: nobody asked. */
  refuse(request: number, refusal: Refusal): boolean {
    const question = this.#open.get(request);
    if (question === undefined) return false;
    this.#open.delete(request);
    question.listener(refusal);
    return true;
  }

  /** No answer will come; `doc` undefined: to none of them. */
  fail(doc: Doc | undefined, code: number, message: string): void {
    for (const [request, question] of this.#open) {
      if (doc === undefined || question.doc === doc) this.refuse(request, { code, message });
    }
  }
}
