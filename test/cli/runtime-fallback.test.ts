/** The JavaScript API of ONNX Runtime behind the same commands, from outside. */
import { describe, expect, it } from 'vitest';
import { runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli-fallback');
const fsb = (...args: string[]) => runFsb([...args, '--quiet'], { home, env: { FSB_RUNTIME: 'node' } });

describe('FSB_RUNTIME=node', () => {
  it.each([[[]], [['--num-beams', '3']]])('generates the same text %j', async (options) => {
    const { code, stdout } = await fsb(
      'generate',
      'wenzhong-mini',
      '床前明月光，',
      '--max-new-tokens',
      '12',
      ...options,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '疑是地上霜。举头望明月，低\n' });
  });

  it('says why an encoder-decoder cannot generate through it', async () => {
    const { code, stdout, stderr } = await fsb('generate', 'randeng-mini', '千山鸟飞绝，<extra_id_0>');
    expect({ code, stdout }).toEqual({ code: 8, stdout: '' });
    expect(stderr).toContain('C API');
  });
});
