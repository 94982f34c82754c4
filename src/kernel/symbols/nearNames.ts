/**
 * Names that `wanted` may have been meant to be, best first, at most `most`:
 * compiler variants (`NAME.isra.0`, `NAME.constprop.0`, `NAME.part.0`, `NAME.cold`), other numbers of a local
 * static (`state.48011`), and names within two edits.
 */
export function nearNames(wanted: string, names: Iterable<string>, most = 3): string[] {
  const stem = wanted.replace(/\.(?:\d+|isra\.\d+|constprop\.\d+|part\.\d+|cold|llvm\.\d+)+$/, "");
  const limit = wanted.length < 6 ? 1 : 2;
  const found: { name: string; rank: number }[] = [];
  for (const name of names) {
    if (name.startsWith("__ksymtab_") || name.startsWith("__kstrtab") || name.startsWith("__crc_")) continue;
    if (name === stem || (name.startsWith(stem) && name[stem.length] === ".")) {
      found.push({ name, rank: 0 });
      continue;
    }
    if (Math.abs(name.length - wanted.length) > limit) continue;
    const distance = editDistance(wanted, name, limit);
    if (distance <= limit) found.push({ name, rank: distance });
  }
  found.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return found.slice(0, most).map((f) => f.name);
}

/** So many names are looked for: each goes through all names of a kernel. */
const MOST_SEARCHES = 50;

/** As {@link nearNames}, for any number of names that one file asks for: of the first few only. */
export class NearSearch {
  #left = MOST_SEARCHES;

  /** @param names asked for only where there is still a search left */
  of(wanted: string, names: () => Iterable<string>): string[] {
    if (this.#left === 0) return [];
    this.#left--;
    return nearNames(wanted, names());
  }
}

/** Levenshtein distance, or more than `limit` as soon as that is certain. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row: number[] = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const change = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1;
      const value = Math.min((before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (before[j - 1] ?? 0) + change);
      row.push(value);
      if (value < best) best = value;
    }
    if (best > limit) return best;
    before = row;
  }
  return before[b.length] ?? 0;
}
