/** Filters for streamed text: each passes what is settled and holds the rest back until more comes, or the end. */
import { stripLeft, stripRight } from './python-text.ts';
import { joinChinese } from './text-cleanup.ts';

export interface StreamFilter {
  push(text: string): string;
  /** What was held back; starts anew. */
  end(): string;
}

/** Drops whitespace at both ends of the whole stream. */
export class EdgeTrimmer implements StreamFilter {
  #held = '';
  #hasStarted = false;

  push(text: string): string {
    const all = this.#held + (this.#hasStarted ? text : stripLeft(text));
    if (all === '') return '';
    this.#hasStarted = true;
    const settled = stripRight(all);
    this.#held = all.slice(settled.length);
    return settled;
  }

  end(): string {
    this.#held = '';
    this.#hasStarted = false;
    return '';
  }
}

/** Drops spaces beside Chinese characters: a space waits for what comes after it. */
export class ChineseJoiner implements StreamFilter {
  #previous = '';
  #held = '';

  push(text: string): string {
    const all = this.#held + text;
    if (all === '') return '';
    this.#held = all.endsWith(' ') ? ' ' : '';
    return this.#pass(all.slice(0, all.length - this.#held.length), this.#held);
  }

  end(): string {
    const rest = this.#pass(this.#held, '');
    this.#previous = '';
    this.#held = '';
    return rest;
  }

  /** Joins `text` as what stands between the last character that passed and `next`. */
  #pass(text: string, next: string): string {
    if (text === '') return '';
    const before = this.#previous;
    const joined = joinChinese(before + text + next);
    this.#previous = [...text].at(-1) ?? '';
    return joined.slice(before.length, joined.length - (joined.endsWith(next) ? next.length : 0));
  }
}
