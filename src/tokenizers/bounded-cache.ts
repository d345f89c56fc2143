/** A map from text to value that forgets everything when it is full: words repeat, but texts never end. */

/** Enough for the words of a corpus; with MAX_KEY_LENGTH a cache stays below about 10 MB. */
const MAX_ENTRIES = 1 << 15;
/** Longer texts hardly come twice. In UTF-16 units. */
const MAX_KEY_LENGTH = 48;

export class BoundedCache<V> {
  readonly #entries = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Keeps the value if the key is short enough, and returns it. */
  set(key: string, value: V): V {
    if (key.length > MAX_KEY_LENGTH) return value;
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.clear();
    this.#entries.set(key, value);
    return value;
  }
}
