/** transformers.js on a model folder, asked in JSON lines: peer-transformersjs.mjs FOLDER_WITH_NODE_MODULES MODELS_FOLDER */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [installed, models] = process.argv.slice(2);
const require = createRequire(path.join(installed, 'index.js'));
const entry = require.resolve('@huggingface/transformers');
const { AutoModel, AutoTokenizer, env, pipeline, Tensor, ...classes } = require(entry);
env.allowRemoteModels = false;
env.localModelPath = models;

const OPTIONS = { dtype: 'fp32' };
const int64 = (ids) => new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);

const COMMANDS = {
  versions() {
    const { version } = JSON.parse(readFileSync(path.join(path.dirname(entry), '..', 'package.json'), 'utf8'));
    return { 'transformers.js': version };
  },
  async encode({ model, texts }) {
    const tokenizer = await AutoTokenizer.from_pretrained(model);
    return texts.map((text) => tokenizer.encode(text));
  },
  async fillMask({ model, text, topK }) {
    const fill = await pipeline('fill-mask', model, OPTIONS);
    try {
      return (await fill(text, { top_k: topK })).map(({ token, score }) => ({ id: Number(token), score }));
    } finally {
      await fill.dispose();
    }
  },
  /** A named output of a model of the given class, flat. */
  async forward({ model, className, output, ids }) {
    const loaded = await (classes[className] ?? AutoModel).from_pretrained(model, OPTIONS);
    try {
      const ones = ids.map(() => 1);
      const zeros = ids.map(() => 0);
      const feeds = { input_ids: int64(ids), attention_mask: int64(ones), token_type_ids: int64(zeros) };
      return [...(await loaded(feeds))[output].data];
    } finally {
      await loaded.dispose();
    }
  },
  /** Greedy continuation; the ids as generate returns them. */
  async generate({ model, className, ids, options }) {
    const loaded = await classes[className].from_pretrained(model, OPTIONS);
    try {
      const inputs = { inputs: int64(ids), attention_mask: int64(ids.map(() => 1)) };
      const [sequence] = (await loaded.generate({ ...inputs, do_sample: false, ...options })).tolist();
      return sequence.map(Number);
    } finally {
      await loaded.dispose();
    }
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await COMMANDS[command](request) };
  } catch (error) {
    answer = { error: String(error?.message ?? error).split('\n')[0] };
  }
  console.log(JSON.stringify(answer));
}
