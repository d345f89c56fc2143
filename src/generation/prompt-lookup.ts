/**
 * Guesses for greedy search: when the last tokens occurred before, what followed them then may follow now. Every guess is
 * checked by the model itself, so the tokens are those of plain greedy search, up to the rounding of a longer chunk.
 * Source: Saxena, "Prompt Lookup Decoding", 2023.
 */

/** Longest run of last tokens that is looked for, and the shortest that is trusted. */
const LONGEST_NGRAM = 4;
const SHORTEST_NGRAM = 2;
/** A chunk of 8 tokens costs the time of some two single steps. */
const MOST_GUESSES = 7;
/** After a miss, plain steps before the next try; doubled with every further miss. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 16;

export class PromptLookup {
  #pause = 0;
  #nextPause = FIRST_PAUSE;
  #size = 3;

  /** Tokens that may come next; empty when nothing is likely enough to be worth a longer step. */
  guess(ids: readonly number[], most: number): number[] {
    if (this.#pause > 0) {
      this.#pause--;
      return [];
    }
    const limit = Math.min(this.#size, most);
    for (let n = Math.min(LONGEST_NGRAM, ids.length - 1); n >= SHORTEST_NGRAM && limit > 0; n--) {
      const start = findLast(ids, n);
      if (start >= 0) return ids.slice(start + n, start + n + limit);
    }
    return [];
  }

  /** How many of the guesses were right: successes make the next guess longer, failures rarer. */
  learn(guessed: number, accepted: number): void {
    if (accepted > 0) {
      this.#size = Math.min(MOST_GUESSES, accepted === guessed ? this.#size * 2 : accepted + 1);
      this.#nextPause = FIRST_PAUSE;
      return;
    }
    this.#size = 3;
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(LONGEST_PAUSE, this.#nextPause * 2);
  }
}

// --- internal ---

/** Where the last n ids occur for the last time before the end; −1 when they do not. */
function findLast(ids: readonly number[], n: number): number {
  const tail = ids.length - n;
  for (let start = tail - 1; start >= 0; start--) {
    let same = 0;
    while (same < n && ids[start + same] === ids[tail + same]) same++;
    if (same === n) return start;
  }
  return -1;
}
