/** fsb convert --budget from outside. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli-budget');
const fsb = (...args: string[]) => runFsb(args, { home });

describe('convert --budget', () => {
  it('mixes formats so that the model stays within it, and the manifest has the table', async () => {
    const out = path.join(home, 'mixed');
    const { code, stderr } = await fsb(
      'convert',
      'wenzhong-mini',
      '--dtype',
      'int4',
      '--budget',
      'kl=0.01',
      '--out',
      out,
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { precision, quantisation } = JSON.parse(readFileSync(path.join(out, 'manifest.json'), 'utf8'));
    expect(quantisation).toMatchObject({ scheme: 'blocks', bits: 4 });
    expect(precision).toMatchObject({
      budget: { measure: 'kl', limit: 0.01 },
      calibration: { file: 'calibration.txt' },
    });
    expect(precision.measured.kl).toBeLessThanOrEqual(0.01);
    const formats = precision.matrices.map(({ format }: { format: string }) => format);
    expect(formats).toHaveLength(17);
    expect(new Set(formats.map((format: string) => format.split('/')[0]))).toEqual(new Set(['int8', 'int4']));
    expect(stderr).toMatch(/formats: .*int4\/64/);
    expect((await fsb('verify', out)).code).toBe(0);
    expect((await fsb('generate', out, '床前明月光，', '--max-new-tokens', '8')).stdout).toContain('疑是地上霜');
  });

  it('keeps answers of an encoder, on texts of the user', async () => {
    const texts = path.join(home, 'texts.txt');
    writeFileSync(texts, '国破山河在，城春草木深。\n\n海上生明月，天涯共此时。\n');
    const args = ['erlangshen-mini', '--dtype', 'int8', '--budget', 'accuracy-drop=1', '--calibrate', texts];
    const { code, stdout, stderr } = await fsb('convert', ...args, '--json');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { precision } = JSON.parse(stdout).certificate;
    expect(precision.calibration).toMatchObject({ file: 'texts.txt', texts: 2 });
    expect(precision.measured.accuracyDrop).toBeLessThanOrEqual(1);
  });

  it.each([
    [['--budget', 'kl=0.01'], 2, 'expected --dtype int8 or int4'],
    [['--dtype', 'int4', '--budget', 'loss=1'], 2, 'expected kl=NUMBER'],
    [['--dtype', 'int4', '--calibrate', 'README.md'], 2, 'texts are read for a budget only'],
    [['--dtype', 'int4', '--budget', 'kl=1', '--calibrate', 'no-such-file'], 3, 'no-such-file'],
  ])('%j exits with %d', async (args, expected, message) => {
    const { code, stderr } = await fsb('convert', 'wenzhong-mini', ...args);
    expect({ code, stderr }).toMatchObject({ code: expected, stderr: expect.stringContaining(message) });
  });
});
