import { describe, expect, it } from 'vitest';
import { checkpointRoot, isWeights, selectFiles } from '../../src/hub/checkpoint-files.ts';
import { matchesAny } from '../../src/hub/glob.ts';
import { FsbError } from '../../src/util/errors.ts';

const files = (...paths: string[]) => paths.map((path) => ({ path }));
const select = (paths: string[], selection = {}) => selectFiles(files(...paths), selection, 'hub').map((f) => f.path);
const thrownBy = (work: () => unknown): FsbError => {
  try {
    work();
  } catch (error) {
    if (error instanceof FsbError) return error;
    throw error;
  }
  throw new Error('expected an error');
};

describe('selectFiles', () => {
  it('takes config, tokenizer and one format of weights out of a repository', () => {
    const noise = [
      'README.md',
      '.gitattributes',
      'tf_model.h5',
      'flax_model.msgpack',
      'onnx/model.onnx',
      'training_args.bin',
      'x.jpg',
    ];
    const wanted = ['config.json', 'vocab.txt', 'tokenizer_config.json'];
    expect(select([...noise, ...wanted, 'pytorch_model.bin'])).toEqual([...wanted, 'pytorch_model.bin']);
    expect(select([...wanted, 'pytorch_model.bin', 'model.safetensors'])).toEqual([...wanted, 'model.safetensors']);
  });

  it.each([
    [
      [
        'model.safetensors.index.json',
        'model-00001-of-00002.safetensors',
        'model-00002-of-00002.safetensors',
        'pytorch_model.bin',
      ],
      3,
    ],
    [['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00001.bin'], 2],
    [['mp_rank_00/model_optim_rng.pt', 'model.onnx'], 1],
    [['wenzhong.ckpt', 'optimizer.pt'], 1],
    [['adapter.safetensors', 'x.bin'], 1],
  ])('knows the weights among %j', (paths, count) => {
    expect(select(paths)).toHaveLength(count);
  });

  it('lets include replace the rule and exclude take away', () => {
    const paths = ['config.json', 'vocab.txt', 'model.safetensors', 'pytorch_model.bin', 'onnx/model.onnx'];
    expect(select(paths, { include: ['*.json', 'onnx/'] })).toEqual(['config.json', 'onnx/model.onnx']);
    expect(select(paths, { exclude: ['*.safetensors'] })).toEqual(['config.json', 'vocab.txt']);
  });

  it('says what is there when nothing fits', () => {
    const error = thrownBy(() => select(['config.json', 'tf_model.h5']));
    expect(error).toMatchObject({ code: 'no-weights', exitCode: 3 });
    expect(error.message).toContain('config.json, tf_model.h5');
    expect(thrownBy(() => select(['pytorch_model.bin'], { include: ['*.txt'] }))).toMatchObject({
      code: 'no-files-match',
      exitCode: 3,
    });
  });

  it('does not take an index or the state of an optimizer for weights', () => {
    expect(
      ['pytorch_model.bin', 'a.pth', 'pytorch_model.bin.index.json', 'optimizer.bin', 'training_args.bin'].map(
        isWeights,
      ),
    ).toEqual([true, true, false, false, false]);
  });
});

describe('checkpointRoot', () => {
  it.each([
    [['config.json', 'pytorch_model.bin'], ''],
    [['roformer_v1/config.json', 'roformer_v1/vocab.txt'], 'roformer_v1'],
    [
      ['周文王/roformer_v1/config.json', '周文王/roformer_v1/pytorch_model.bin', '周文王/说明.txt'],
      '周文王/roformer_v1',
    ],
    [['m/pytorch_model.bin', 'readme.txt'], 'm'],
    [['config.json', 'onnx/config.json'], ''],
    [['release/mp_rank_00/model_optim_rng.pt', 'release/mp_rank_01/model_optim_rng.pt'], 'release'],
  ])('of %j is %j', (paths, root) => {
    expect(checkpointRoot(paths, 'x.zip')).toBe(root);
  });

  it('says what was found in place of a checkpoint', () => {
    const error = thrownBy(() => checkpointRoot(['a.jpg', 'b.txt'], 'x.zip'));
    expect(error).toMatchObject({ code: 'no-checkpoint', exitCode: 6 });
    expect(error.message).toMatch(/x\.zip: expected config\.json .* found a\.jpg, b\.txt/);
    expect(thrownBy(() => checkpointRoot(['archive/data.pkl'], 'pytorch_model.bin')).hint).toMatch(
      /PyTorch file itself/,
    );
  });

  it('does not choose between two checkpoints', () => {
    const error = thrownBy(() => checkpointRoot(['a/config.json', 'b/config.json'], 'x.zip'));
    expect(error).toMatchObject({ code: 'several-checkpoints', exitCode: 6 });
    expect(error.message).toContain('in a, b');
  });
});

describe('matchesAny', () => {
  it.each([
    ['config.json', '*.json', true],
    ['onnx/model.onnx', '*.onnx', true],
    ['onnx/model.onnx', 'onnx/', true],
    ['onnx2/model.onnx', 'onnx/', false],
    ['a.json', '?.json', true],
    ['ab.json', '?.json', false],
    ['model-2.bin', 'model-[12].bin', true],
    ['model-3.bin', 'model-[!12].bin', true],
    ['model-2.bin', 'model-[!12].bin', false],
    ['a+b(c).txt', 'a+b(c).txt', true],
    ['axtxt', 'a.txt', false],
    ['词表.txt', '词*', true],
  ])('%s by %s: %s', (path, pattern, matches) => {
    expect(matchesAny(path, [pattern])).toBe(matches);
  });

  it('refuses a pattern that is none', () => {
    expect(thrownBy(() => matchesAny('a', ['[z-a]']))).toMatchObject({ code: 'bad-pattern', exitCode: 2 });
  });
});
