/** Names as people type them: compared without case, width and separators, and with near ones suggested. */
import { distance } from 'fastest-levenshtein';

/** Suggestions shown at most; more would be a list, which is `fsb list`. */
const MAX_SUGGESTIONS = 3;

/** "二郎神－１．３Ｂ" and "二郎神_1.3b" → "二郎神1.3b". Dots and slashes stay: they tell 1.3B from 13B and owner from name. */
export function normalizeName(name: string): string {
  return name
    .normalize('NFKC') // full-width letters, digits and punctuation become ordinary ones
    .toLowerCase()
    .replace(/[\s_\p{Dash}·]+/gu, '');
}

/**
 * The keys whose names are nearest to what was typed, best first: at most a third of its letters wrong, or
 * containing it. `names` maps each key to all it is called.
 */
export function suggestNames(typed: string, names: ReadonlyMap<string, readonly string[]>): string[] {
  const wanted = normalizeName(typed);
  if (wanted === '') return [];
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  return [...names]
    .map(([key, called]) => ({ key, cost: Math.min(...called.map((name) => costOf(wanted, normalizeName(name)))) }))
    .filter(({ cost }) => cost <= limit)
    .sort((a, b) => a.cost - b.cost)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ key }) => key);
}

// --- internal ---

/** Edit distance, but a name that contains what was typed counts as two letters off. */
function costOf(wanted: string, name: string): number {
  return name.includes(wanted) ? Math.min(2, distance(wanted, name)) : distance(wanted, name);
}
