/** Ends a text at the first of some strings: neither they nor what follows is shown, nor a part that may become one. */

export class StopStrings {
  readonly #strings: readonly string[];
  #held = '';
  #isStopped = false;

  constructor(strings: readonly string[]) {
    this.#strings = strings.filter((string) => string.length > 0);
  }

  /** True once a stop string has appeared. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The part of the text so far that may be shown after this piece. */
  push(piece: string): string {
    if (this.#isStopped) return '';
    const text = this.#held + piece;
    const start = this.#firstCompleted(text);
    if (start !== undefined) {
      this.#isStopped = true;
      this.#held = '';
      return text.slice(0, start);
    }
    const kept = this.#openLength(text);
    this.#held = text.slice(text.length - kept);
    return text.slice(0, text.length - kept);
  }

  /** What was held back, at the end of the text. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Where the stop string begins that is completed first, so that it does not matter how the text was cut into pieces. */
  #firstCompleted(text: string): number | undefined {
    const found = this.#strings
      .map((string) => ({ start: text.indexOf(string), length: string.length }))
      .filter(({ start }) => start >= 0)
      .sort((a, b) => a.start + a.length - (b.start + b.length) || a.start - b.start);
    return found[0]?.start;
  }

  /** How much of the end of the text is the beginning of a stop string. */
  #openLength(text: string): number {
    let most = 0;
    for (const string of this.#strings)
      for (let length = Math.min(string.length - 1, text.length); length > most; length--)
        if (text.endsWith(string.slice(0, length))) most = length;
    return most;
  }
}
