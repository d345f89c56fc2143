/** A language model made of a hash: its logits depend on the last tokens alone. It checks how its cache is used. */
import { expect } from 'vitest';
import type { Cache, LanguageModel } from '../../src/generation/language-model.ts';

export interface FakeOptions {
  readonly columns?: number;
  readonly vocabularySize?: number;
  readonly maxLength?: number;
  /** @default true */
  readonly readsChunksExactly?: boolean;
  /** How many of the last tokens matter: 1 or 2 lead to loops soon. @default 2 */
  readonly order?: number;
  readonly seed?: number;
  /** Overrides the logits after these tokens. */
  readonly logitsAfter?: (ids: readonly number[]) => readonly number[];
  /** Called at each step, before its result. */
  readonly onStep?: () => void;
}

export class FakeModel implements LanguageModel {
  readonly columns: number;
  readonly vocabularySize: number;
  readonly maxLength: number;
  readonly readsChunksExactly: boolean;
  readonly #options: FakeOptions;
  /** Calls of prefill and step. */
  steps = 0;
  /** Caches not yet disposed. */
  openCaches = 0;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.columns = options.columns ?? 12;
    this.vocabularySize = options.vocabularySize ?? this.columns;
    this.maxLength = options.maxLength ?? 200;
    this.readsChunksExactly = options.readsChunksExactly ?? true;
  }

  logitsAfter(ids: readonly number[]): Float32Array {
    const { order = 2, seed = 0, logitsAfter } = this.#options;
    if (logitsAfter) return Float32Array.from(logitsAfter(ids));
    let state = ids.slice(-order).reduce((hash, id) => Math.imul(hash ^ id, 0x01000193), 0x811c9dc5 ^ seed);
    return Float32Array.from({ length: this.columns }, () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
      return ((state >>> 8) / 2 ** 24) * 6 - 3;
    });
  }

  async prefill(prompt: readonly number[]): Promise<{ cache: Cache; logits: Float32Array }> {
    this.steps++;
    this.openCaches++;
    return { cache: this.#cache(prompt), logits: this.logitsAfter(prompt) };
  }

  #cache(prompt: readonly number[]): Cache {
    let rows: number[][] = [[...prompt]];
    let isOpen = true;
    return {
      get rows() {
        return rows.length;
      },
      get length() {
        return rows[0]!.length;
      },
      step: async (parents, tokens) => {
        this.steps++;
        this.#options.onStep?.();
        expect(isOpen).toBe(true);
        expect(parents).toHaveLength(tokens.length);
        const count = tokens[0]!.length;
        expect(count === 1 || tokens.length === 1).toBe(true);
        const former = rows;
        rows = parents.map((parent, row) => {
          expect(former[parent]).toBeDefined();
          expect(tokens[row]).toHaveLength(count);
          return [...former[parent]!, ...tokens[row]!];
        });
        expect(rows[0]!.length).toBeLessThanOrEqual(this.maxLength);
        return rows.map((ids) =>
          Array.from({ length: count }, (_, k) => this.logitsAfter(ids.slice(0, ids.length - count + k + 1))),
        );
      },
      rewind(length) {
        expect(length).toBeLessThanOrEqual(rows[0]!.length);
        rows = rows.map((ids) => ids.slice(0, length));
      },
      dispose: async () => {
        expect(isOpen).toBe(true);
        isOpen = false;
        this.openCaches--;
      },
    };
  }
}
