/** Horizontal bars from 0 to 100 %, with an interval where there is one: plain HTML, sized by CSS. */
import type { Interval } from './statistics.ts';

export interface Bar {
  /** Markup. */
  readonly label: string;
  /** 0..1 */
  readonly value: number;
  readonly interval?: Interval;
  readonly kind: 'own' | 'published' | 'baseline';
  /** Markup, behind the number. */
  readonly note?: string;
}

/** The interval of the first bar that has one runs through all rows as a band, so that one sees who lies inside. */
export function barChart(bars: readonly Bar[]): string {
  const band = bars.find(({ interval }) => interval)?.interval;
  return `<div class="chart">${bars.map((bar) => row(bar, band)).join('')}</div>`;
}

// --- internal ---

function row({ label, value, interval, kind, note = '' }: Bar, band: Interval | undefined): string {
  const stripe = band ? `<i class="band" style="${place(band)}"></i>` : '';
  const whisker = interval ? `<i class="whisker" style="${place(interval)}"></i>` : '';
  return `<div class="row"><div class="name">${label}</div><div class="track">${stripe}<i class="bar ${kind}" style="width:${percent(value)}"></i>${whisker}</div><div class="value">${percent(value)} <small>${note}</small></div></div>`;
}

const place = ([low, high]: Interval): string => `left:${percent(low)};width:${percent(high - low)}`;

const percent = (share: number): string => `${(100 * share).toFixed(2)}%`;
