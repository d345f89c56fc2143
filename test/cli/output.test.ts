import { describe, expect, it } from 'vitest';
import { Meter } from '../../src/cli/output.ts';

describe('Meter', () => {
  it('tells no speed before a second has passed', () => {
    const meter = new Meter('bytes');
    expect(meter.status(0, 100e6, 0)).toBe('0 B/100 MB');
    expect(meter.status(50e6, 100e6, 500)).toBe('50.0 MB/100 MB');
    expect(meter.status(50e6, 100e6, 1000)).toBe('50.0 MB/100 MB, 50.0 MB/s, 1.0s left');
  });

  it('counts down evenly under a speed that trembles, and follows one that falls', () => {
    const meter = new Meter('bytes');
    let done = 0;
    const left: number[] = [];
    for (let now = 0; now <= 20_000; now += 200) {
      const status = meter.status(done, 100e6, now);
      const seconds = / ([\d.]+)s left/.exec(status)?.[1];
      if (seconds !== undefined) left.push(Number(seconds));
      done += 4e5 * (now % 400 === 0 ? 0.5 : 1.5);
    }
    for (let i = 1; i < left.length; i++) expect(left[i]).toBeLessThanOrEqual(left[i - 1]!);
    for (let now = 20_200; now <= 30_000; now += 200) {
      meter.status(done, 100e6, now);
      done += 4e4;
    }
    expect(meter.status(done, 100e6, 30_200)).toMatch(/200 kB\/s, 4m/);
  });

  it('says what is there where the whole is not known', () => {
    const meter = new Meter('bytes');
    meter.status(0, 0, 0);
    expect(meter.status(3e6, 0, 2000)).toBe('3.00 MB, 1.50 MB/s');
  });
});
