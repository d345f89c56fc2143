/** Numbers for people. Sizes are SI (1 kB = 1000 bytes), as disks and hubs count. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** 2523412345 → "2.52 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toPrecision(3)} ${UNITS[unit]}`;
}

/** 3725 → "1h02m", 62 → "1m02s", 3.4 → "3.4s". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}s`;
  const total = Math.round(seconds);
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (total < 3600) return `${Math.floor(total / 60)}m${pad(total % 60)}s`;
  return `${Math.floor(total / 3600)}h${pad(Math.floor((total % 3600) / 60))}m`;
}

/** 1300000000 → "1.3B", 110000000 → "110M": parameter counts as the field writes them. */
export function formatParameters(count: number): string {
  if (count >= 1e9) return `${trim((count / 1e9).toFixed(1))}B`;
  if (count >= 1e6) return `${trim((count / 1e6).toFixed(count < 1e7 ? 1 : 0))}M`;
  return `${Math.round(count / 1e3)}K`;
}

const trim = (text: string): string => text.replace(/\.0$/, '');
