/** The program from outside: what a user or script sees on stdout and stderr, and the exit code. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { type RunFsbOptions, runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli');
const MODEL = path.join(home, 'fsb', 'models', 'erlangshen-mini', 'fp32');
/** A device that this platform can never have. */
const ABSENT = process.platform === 'win32' ? 'coreml' : 'dml';
const fsb = (args: readonly string[], options: Omit<RunFsbOptions, 'home'> = {}) => runFsb(args, { home, ...options });
const json = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await fsb([...args, '--json']);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout);
};

// pulled and converted once, by the program itself
beforeAll(async () => {
  expect((await fsb(['convert', 'erlangshen-mini'])).code).toBe(0);
});

describe('fsb', () => {
  it('prints its help on stdout, without arguments too', async () => {
    const help = await fsb(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Usage: fsb');
    expect((await fsb([])).stdout).toBe(help.stdout);
  });

  it('prints its version', async () => {
    expect((await fsb(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each(Object.keys(COMMANDS))('prints help with an example for %s', async (name) => {
    const { code, stdout, stderr } = await fsb([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`$ fsb ${name}`);
  });

  it('speaks Chinese where the locale does', async () => {
    expect((await fsb(['--help'], { env: { LANG: 'zh_CN.UTF-8' } })).stdout).toContain('封神榜中文模型');
    expect((await fsb(['--help'], { env: { LANG: 'zh_CN.UTF-8', FSB_LANG: 'en' } })).stdout).toContain(
      'Chinese models',
    );
  });

  it.each([
    [['convrt'], 'Did you mean convert?'],
    [['list', '--serie', 'x'], 'Did you mean --series?'],
    [['fill-mask'], "missing required argument 'model'"],
    [['list', '--series', 'x'], 'Allowed choices are erlangshen'],
  ])('exits with 2 and a hint for %j', async (args, message) => {
    const { code, stdout, stderr } = await fsb(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('errors', () => {
  it.each([
    [['info', 'erlangshen-1.3c'], 3, 'did you mean erlangshen-1.3b'],
    [['eval', '--task', 'afqmcc'], 3, 'did you mean afqmc'],
    [['classify', 'erlangshen-mini', '月'], 8, 'no classification head'],
    [['fill-mask', 'erlangshen-mini', '月'], 2, 'no [MASK]'],
    [['fill-mask', './absent', '月'], 3, './absent does not exist'],
    [['convert', 'erlangshen-mini', '--dtype', 'int3'], 2, '--dtype int3: expected one of'],
    [['fill-mask', 'erlangshen-mini-poet', 'x', '--no-auto'], 3, 'fsb convert erlangshen-mini-poet'],
    [['pull', 'erlangshen-1.3b'], 4, 'offline'],
    [['eval', '--task', 'afqmc'], 4, 'afqmc'],
    [['eval', '--task', 'tnews', '--data', 'src'], 3, 'dev.json'],
    [['eval', 'merge', 'src', '--submission', 'x.zip'], 2, '--submission has no meaning for merge'],
    [['eval', 'lint', 'x.zip', '--model', 'x'], 2, '--model has no meaning for lint'],
    [['eval', '--compare', 'a', 'b', '--no-auto'], 2, 'has no meaning for a comparison'],
    [['eval', '--task', 'poet', '--submission', 'x.zip', '--junit', 'y'], 2, '--junit has no meaning'],
    [['eval', '--task', 'poet', '--benchmark', 'clue'], 2, '--benchmark has no meaning for a run'],
    [
      ['infer', 'erlangshen-mini', '--ids', '[{"input_ids":[999999]}]'],
      2,
      'input_ids: expected integers from 0 to 3455, found 999999',
    ],
    [['infer', 'erlangshen-mini', '--ids', '{'], 2, 'not valid JSON'],
    [['infer', 'erlangshen-mini', '--text', '月', '--outputs', 'nothing'], 8, 'it has last_hidden_state'],
    [['fill-mask', 'erlangshen-mini', '[MASK]', '--device', 'cuda'], 8, 'device cuda:0 is not available'],
    [['fill-mask', 'erlangshen-mini', '[MASK]', '--device', 'cuda:7'], 8, 'device cuda:7 is not available'],
    [['fill-mask', 'erlangshen-mini', '[MASK]', '--device', ABSENT], 8, `device ${ABSENT} is not available`],
    [['verify', MODEL, '--device', ABSENT], 8, `device ${ABSENT} is not available`],
    [['fill-mask', 'erlangshen-mini', '[MASK]', '--device', 'abacus'], 2, 'abacus'],
    [['fill-mask', 'erlangshen-mini', '[MASK]', '--threads', '0'], 2, '--threads 0'],
    [['fill-mask', MODEL, '[MASK]', '--dtype', 'int8'], 2, 'is a model in fp32'],
  ])('%j exits with %i', async (args, exitCode, message) => {
    const { code, stdout, stderr } = await fsb(args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
  });

  it('come as JSON on stderr too, with --json', async () => {
    const { stderr, stdout } = await fsb(['info', 'nothing-like-it', '--json']);
    const line = stderr.trim().split('\n').at(-1)!;
    expect(JSON.parse(line)).toMatchObject({ error: { code: 'unknown-model', exitCode: 3, retryable: false } });
    expect(stdout).toBe('');
  });

  it('show no stack without --debug', async () => {
    expect((await fsb(['info', 'nothing-like-it'])).stderr).not.toContain('    at ');
    expect((await fsb(['info', 'nothing-like-it', '--debug'])).stderr).toContain('    at ');
  });
});

describe('fill-mask', () => {
  it('asks Zhouwenwang’s tied logits, where the model has no MLM transform', async () => {
    const { results } = await json(['fill-mask', 'zhouwenwang-mini', '床前明[MASK]光', '--top-k', '1']);
    expect(results[0].masks[0].candidates[0].token).toBe('月');
  });
});

describe('hostile checkpoints', () => {
  const fixtures = path.resolve('test/fixtures/hostile');
  it.each([
    ['pickle-os-system', 6, 'posix.system'], // what os.system is called where the fixture was made
    ['truncated-zip', 6, 'pytorch_model.bin'],
    ['nan-weight', 6, 'NaN'],
    ['missing-tensor', 6, 'encoder.layer.0.intermediate.dense.bias'],
    ['wrong-shape', 6, 'encoder.layer.0.output.dense.weight'],
    ['unexpected-tensor', 6, 'encoder.layer.0.attention.self.extra.weight'],
  ])('%s is refused with %i and leaves nothing', async (name, exitCode, message) => {
    const out = path.join(home, `hostile-${name}`);
    const { code, stderr, stdout } = await fsb(['convert', path.join(fixtures, name), '--out', out]);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(readdirSync(home).filter((entry) => entry.startsWith(`hostile-${name}`))).toEqual([]);
  });

  it('a sound one converts', async () => {
    const out = path.join(home, 'sound');
    expect(await fsb(['convert', path.join(fixtures, 'sound'), '--out', out])).toMatchObject({
      code: 0,
      stdout: `${out}\n`,
    });
    expect(existsSync(path.join(out, 'manifest.json'))).toBe(true);
  });
});

describe('--explain', () => {
  const TEXT = '床前明[MASK]光，疑是地上霜。';

  it('says on stderr which operators ran where and what crossed, even with --quiet', async () => {
    const args = ['fill-mask', 'erlangshen-mini', TEXT, '--top-k', '1', '--device', 'cpu', '--quiet'];
    const plain = await fsb(args);
    const { code, stdout, stderr } = await fsb([...args, '--explain']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: plain.stdout });
    expect(plain.stderr).toBe('');
    expect(stderr).toMatch(/^model\.onnx on cpu: 1 run\ndevice +operator +nodes +calls +% of time\n/);
    expect(stderr).toMatch(/^cpu +MultiHeadAttention +4 +4 +\d+\.\d$/m);
    expect(stderr).toContain('crossed per token: 0 B to the device, 0 B back');
  });

  it('speaks Chinese', async () => {
    const args = ['similarity', 'erlangshen-mini', '月', '光', '--explain', '--quiet'];
    const { stderr } = await fsb(args, { env: { FSB_LANG: 'zh' } });
    expect(stderr).toMatch(/model\.onnx，设备 cpu：运行 \d 次/);
    expect(stderr).toContain('每个词元的传输：到设备 0 B，回主存 0 B');
  });

  it('is in the JSON document', async () => {
    const { code, stdout } = await fsb(['fill-mask', 'erlangshen-mini', TEXT, '--explain', '--json']);
    expect(code).toBe(0);
    const { schema, results, explain } = JSON.parse(stdout);
    expect(schema).toBe('fsb.fill-mask/1');
    expect(results).toHaveLength(1);
    expect(explain).toMatchObject([
      {
        device: 'cpu',
        runtime: 'capi',
        runs: 1,
        recordedRuns: 1,
        traffic: { tokens: 14, toDeviceBytes: 0, toHostBytes: 0 },
        lastRun: { tokens: 14 },
      },
    ]);
    expect(explain[0].graph).toMatch(/model\.onnx$/);
    expect(explain[0].operators).toContainEqual(
      expect.objectContaining({ operator: 'MultiHeadAttention', device: 'cpu', nodes: 4, calls: 4 }),
    );
  });

  it('has an entry per graph, and is in the document of an evaluation too', async () => {
    const generate = await fsb(['generate', 'randeng-mini', '床前明<extra_id_0>光', '--explain', '--json']);
    const graphs = JSON.parse(generate.stdout).explain.map(({ graph }: { graph: string }) => path.basename(graph));
    expect(graphs.sort()).toEqual(['decoder_model_merged.onnx', 'encoder_model.onnx']);
    const evaluation = await fsb(['eval', '--task', 'poet', '--limit', '5', '--explain', '--json']);
    expect(JSON.parse(evaluation.stdout)).toMatchObject({ schema: 'fsb.eval/1', explain: [{ device: 'cpu' }] });
  });

  it('works for the probes of verify, and leaves no file behind', async () => {
    const temporary = path.join(home, 'explain-tmp');
    mkdirSync(temporary);
    const { code, stdout } = await fsb(['verify', MODEL, '--explain', '--json'], {
      env: { TMPDIR: temporary },
    });
    expect(code).toBe(0);
    const { schema, ok, explain } = JSON.parse(stdout);
    expect({ schema, ok }).toEqual({ schema: 'fsb.verify/1', ok: true });
    expect(explain[0]).toMatchObject({ device: 'cpu', graph: expect.stringContaining('.onnx') });
    // neither ours nor ONNX Runtime's telemetry; from 22 on, Node keeps what it compiled there
    expect(readdirSync(temporary).filter((name) => name !== 'node-compile-cache')).toEqual([]);
  });
});

describe('results', () => {
  it('fill-mask', async () => {
    const { schema, results } = await json([
      'fill-mask',
      'erlangshen-mini',
      '床前明[MASK]光，疑是地上霜。',
      '--top-k',
      '2',
    ]);
    expect(schema).toBe('fsb.fill-mask/1');
    expect(results[0].masks[0]).toMatchObject({ index: 4, candidates: [{ token: '月', id: 1417 }, { token: '水' }] });
  });

  it('infer, per row in its own length', async () => {
    const ids = JSON.stringify([{ input_ids: [101, 974, 102] }, { input_ids: [101, 102] }]);
    const { schema, outputs } = await json([
      'infer',
      'erlangshen-mini',
      '--ids',
      ids,
      '--outputs',
      'last_hidden_state,pooler_output',
    ]);
    expect(schema).toBe('fsb.infer/1');
    expect(
      outputs.map(({ row, name, shape }: { row: number; name: string; shape: number[] }) => [row, name, shape]),
    ).toEqual([
      [0, 'last_hidden_state', [3, 128]],
      [0, 'pooler_output', [128]],
      [1, 'last_hidden_state', [2, 128]],
      [1, 'pooler_output', [128]],
    ]);
    expect(outputs[0].values).toHaveLength(3 * 128);
  });

  it('embed and similarity', async () => {
    const { results } = await json(['embed', 'erlangshen-mini', '床前明月光', '举头望明月']);
    expect(results.map(({ embedding }: { embedding: number[] }) => embedding.length)).toEqual([128, 128]);
    expect(await json(['similarity', 'erlangshen-mini', '床前明月光', '床前明月光'])).toMatchObject({
      schema: 'fsb.similarity/1',
      method: 'cosine',
    });
  });

  it('tokenize, and back', async () => {
    const { results } = await json(['tokenize', 'erlangshen-mini', '床前']);
    expect(results[0]).toMatchObject({
      ids: [101, 974, 403, 102],
      tokens: ['[CLS]', '床', '前', '[SEP]'],
      offsets: [
        [0, 0],
        [0, 1],
        [1, 2],
        [0, 0],
      ],
    });
    expect((await json(['tokenize', 'erlangshen-mini', '--decode', '974,403'])).text).toBe('床 前');
  });

  it('list, info, inspect, verify', async () => {
    expect((await json(['list', '--local'])).models.map(({ name }: { name: string }) => name)).toContain(
      'erlangshen-mini',
    );
    expect(await json(['info', '二郎神-1.3B'])).toMatchObject({
      name: 'erlangshen-1.3b',
      architecture: 'megatron-bert',
      supported: true,
    });
    const { tensors } = await json(['inspect', path.join(home, 'fsb/checkpoints/erlangshen-mini/local'), '--hash']);
    expect(tensors[0]).toMatchObject({
      name: 'embeddings.word_embeddings.weight',
      shape: [3456, 128],
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const { graphs } = await json(['inspect', path.join(home, 'fsb/models/erlangshen-mini/fp32')]);
    expect(graphs[0].inputs[0]).toEqual({
      name: 'input_ids',
      dtype: 'int64',
      shape: ['batch_size', 'sequence_length'],
    });
    expect(await json(['verify', path.join(home, 'fsb/models/erlangshen-mini/fp32')])).toMatchObject({
      schema: 'fsb.verify/1',
      ok: true,
    });
  });

  it('eval, with an interval, baselines and predictions, and 9 below --min-accuracy', async () => {
    const out = path.join(home, 'eval');
    const { schema, runs } = await json(['eval', '--task', 'poet', '--out', out]);
    expect(schema).toBe('fsb.eval/1');
    expect(runs[0]).toMatchObject({
      task: 'poet',
      examples: 600,
      correct: 347,
      model: { name: 'erlangshen-mini-poet' },
    });
    expect(runs[0].ci95[0]).toBeLessThan(runs[0].accuracy);
    const predicted = readFileSync(runs[0].predictionsFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).prediction);
    const golden = JSON.parse(readFileSync('test/fixtures/mini/erlangshen-mini-poet.json', 'utf8'));
    expect(predicted).toEqual(golden.dev.predicted.map((index: number) => golden.labels[index]));
    const { code, stderr } = await fsb(['eval', '--task', 'poet', '--limit', '50', '--min-accuracy', '0.99']);
    expect({ code, stderr }).toMatchObject({ code: 9, stderr: expect.stringContaining('--min-accuracy 0.99') });
  });

  it('eval does not depend on the batch size', async () => {
    const few = await json(['eval', '--task', 'poet', '--batch-tokens', '64', '--limit', '200']);
    const many = await json(['eval', '--task', 'poet', '--batch-tokens', '8192', '--limit', '200']);
    expect(few.runs[0].correct).toBe(many.runs[0].correct);
    expect(few.runs[0].confusion).toEqual(many.runs[0].confusion);
  });
});

describe('generate', () => {
  it('prints the continuation, streamed, and nothing else', async () => {
    const { code, stdout } = await fsb(['generate', 'wenzhong-mini', '床前明月光，']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '疑是地上霜。举头望明月，低头思故乡。\n' });
  });

  it('gives tokens, reasons and statistics as JSON', async () => {
    const { schema, results, stats } = await json([
      'generate',
      'wenzhong-mini',
      '床前明月光，',
      '--max-new-tokens',
      '5',
    ]);
    expect(schema).toBe('fsb.generate/1');
    expect(results[0]).toMatchObject({
      prompt: '床前明月光，',
      promptTokens: 5,
      sequences: [{ tokens: [1017, 395, 535, 364, 664], finishReason: 'length' }],
    });
    expect(stats).toMatchObject({
      device: 'cpu',
      prefillMs: expect.any(Number),
      decodeTokensPerSecond: expect.any(Number),
      peakRssBytes: expect.any(Number),
    });
  });

  it('takes ids, for decoders and encoder-decoders', async () => {
    const decoder = await json([
      'generate',
      'wenzhong-mini',
      '--ids',
      '[{"input_ids":[1214,465,1071,519,259]}]',
      '--max-new-tokens',
      '3',
    ]);
    expect(decoder.results[0].sequences[0].tokens).toEqual([1017, 395, 535]);
    const both = await json([
      'generate',
      'randeng-mini',
      '--ids',
      '[{"input_ids":[101,974,403,1364,3338,316,104,1975,1374,622,117,3133,105,102]}]',
    ]);
    expect(both.results[0].sequences[0].tokens).toEqual([3338, 1417, 3337]);
  });

  it('repeats a sample with its seed, and gives another with another', async () => {
    const sample = async (seed: string): Promise<string> =>
      (await fsb(['generate', 'zhouwenwang-mini', '明月', '--temperature', '2', '--seed', seed, '--quiet'])).stdout;
    expect(await sample('1')).toBe(await sample('1'));
    expect(await sample('1')).not.toBe(await sample('2'));
  });

  it('prints one JSON line per token, then the result, with --jsonl', async () => {
    const { stdout } = await fsb(['generate', 'wenzhong-mini', '床前明月光，', '--max-new-tokens', '3', '--jsonl']);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['token', 'token', 'token', 'result']);
  });

  it.each([
    [['--temperature', '0'], 'temperature: expected a number above 0, found 0'],
    [['--num-beams', '2', '--temperature', '1'], 'exclude each other'],
    [['--num-return-sequences', '2'], 'greedy search gives one'],
    [['--length-penalty', '2'], 'need numBeams above 1'],
    [['--min-new-tokens', '9', '--max-new-tokens', '3'], 'more than maxNewTokens'],
    [['--bad-words-ids', '[1]'], 'expected lists of ids'],
    [['--lm-mask', 'bidirectional'], 'no bidirectional generation'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await fsb(['generate', 'wenzhong-mini', '床', ...args]);
    expect(stderr).toContain(message);
    expect([2, 8]).toContain(code);
    expect(stdout).toBe('');
  });

  it('refuses an empty prompt, one that fills the context, and a model that cannot', async () => {
    expect(await fsb(['generate', 'wenzhong-mini', ''])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the prompt is empty'),
    });
    expect(await fsb(['generate', 'wenzhong-mini', '明月'.repeat(300)])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('takes at most 256'),
    });
    expect(await fsb(['generate', 'erlangshen-mini', '月'])).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('cannot generate'),
    });
  });
});

describe('score', () => {
  it('ranks candidates after a text, and at a mask', async () => {
    const after = await json([
      'score',
      'wenzhong-mini',
      '床前明月光，',
      '--candidates',
      '举头望明月,疑是地上霜',
      '--per-token',
    ]);
    expect(after.schema).toBe('fsb.score/1');
    const [best] = after.results[0].candidates;
    expect(best.candidate).toBe('疑是地上霜');
    expect(best.perToken.reduce((a: number, b: number) => a + b)).toBeCloseTo(best.logProbability, 6);
    const masked = await json(['score', 'erlangshen-mini', '床前明[MASK]光，疑是地上霜。', '--candidates', '日,月']);
    expect(masked.results[0].candidates[0]).toMatchObject({
      candidate: '月',
      logProbability: expect.closeTo(Math.log(0.988), 2),
    });
  });

  it('gives the perplexity of a text', async () => {
    const { results } = await json(['score', 'wenzhong-mini', '床前明月光，疑是地上霜。']);
    expect(results[0].perplexity).toBeLessThan(1.1);
  });
});

describe('diff', () => {
  it('finds a checkpoint and its conversion the same, and others not', async () => {
    const home2 = (kind: string, name: string, last: string): string => path.join(home, 'fsb', kind, name, last);
    expect(
      await json([
        'diff',
        home2('checkpoints', 'erlangshen-mini', 'local'),
        home2('models', 'erlangshen-mini', 'fp32'),
      ]),
    ).toMatchObject({ schema: 'fsb.diff/1', same: true });
    const { code, stdout } = await fsb(['diff', 'erlangshen-mini', 'zhouwenwang-mini']);
    expect(code).toBe(9);
    expect(stdout).toMatch(/^different: \d+ of \d+ tensors\n/);
  });
});

describe('pipes', () => {
  it('answer JSON lines in input order', async () => {
    const input = '{"id":7,"text":"床前明[MASK]光，疑是地上霜。"}\n\n白日依山[MASK]，黄河入海流。\n';
    const { code, stdout } = await fsb(['fill-mask', 'erlangshen-mini', '--input', '-', '--top-k', '1'], { input });
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ id, masks }) => [id, masks[0].candidates[0].token])).toEqual([
      [7, '月'],
      [undefined, '尽'],
    ]);
  });

  it('name the line that is wrong', async () => {
    const { code, stderr } = await fsb(['embed', 'erlangshen-mini', '--input', '-'], { input: '月\n{"txt":"x"}\n' });
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('standard input:2') });
  });

  it('carry no progress and no notes with --quiet, and no colours', async () => {
    const { stdout, stderr } = await fsb(['fill-mask', 'erlangshen-mini', '[MASK]', '--quiet']);
    expect(stderr).toBe('');
    expect(stdout).not.toContain('\u001b');
  });
});

describe('interruption', () => {
  it('exits with 130 within a second of SIGINT, and leaves nothing half-written', async () => {
    const data = path.join(home, 'big');
    mkdirSync(data, { recursive: true });
    const row = readFileSync('models/poet/dev.json', 'utf8').split('\n')[0]!;
    const long = { ...JSON.parse(row), sentence: JSON.parse(row).sentence.repeat(20) };
    writeFileSync(path.join(data, 'dev.json'), `${JSON.stringify(long)}\n`.repeat(40_000));
    const out = path.join(home, 'interrupted');
    const started: { at?: number } = {};
    const result = await fsb(['eval', '--task', 'poet', '--data', data, '--out', out], {
      signalOn: {
        text: 'no --model',
        signal: 'SIGINT',
        delayMs: 1500,
        onSignal: () => (started.at = performance.now()),
      },
    });
    expect(result.code).toBe(130);
    expect(performance.now() - started.at!).toBeLessThan(1500);
    expect(result.stderr).toContain('interrupted by SIGINT');
    expect(existsSync(path.join(out, 'eval.json'))).toBe(false);
  });
});
