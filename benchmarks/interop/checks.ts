/** The questions put to other programs about one model folder; each answer is "same" or says what differs. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { openSession } from '../../src/engine/open-session.ts';
import { toFloat32 } from '../../src/engine/tensor.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { fillMask } from '../../src/pipelines/fill-mask.ts';
import { Generator } from '../../src/pipelines/generator.ts';
import { startToken } from '../../src/pipelines/special-tokens.ts';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { feedsFor } from './feeds.ts';
import type { ModelFolder } from './model-folders.ts';
import { type Peer, PeerError } from './peer.ts';

/** Two versions of ONNX Runtime may sum in another order. */
const TOLERANCE = 1e-4;
const TOP_K = 5;
const NEW_TOKENS = 12;
const MASKED_TEXT = '床前明[MASK]光，疑是地上霜。';
const TEXTS = [
  '床前明月光，疑是地上霜。',
  '2022年,GPT-3.5 has 175B parameters!  Ｆｕｌｌ width',
  '繁體字、ｶﾅ、émigré、한국어 和 😀 emoji',
  '第一行\n第二行\t制表',
];

export interface Finding {
  readonly ok: boolean;
  /** "clean", "same", a difference, or the other program's message. */
  readonly text: string;
}

/** Asks; whatever the other program objects to is the finding. */
export async function finding(ask: () => Promise<Finding>): Promise<Finding> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof PeerError) return { ok: false, text: error.message.replace(/\S*\/models\//g, '') };
    throw error;
  }
}

/** onnx.checker with full_check on every graph. */
export async function checkGraphs(python: Peer, { folder, manifest }: ModelFolder): Promise<Finding> {
  for (const { file } of manifest.graphs) await python.ask('check', { file: path.join(folder, file) }, z.string());
  return { ok: true, text: 'clean' };
}

/** Every output of every graph but the probe against Python's ONNX Runtime, on the same inputs. */
export async function compareGraphs(python: Peer, { folder, manifest }: ModelFolder): Promise<Finding> {
  let worst = 0;
  for (const graph of manifest.graphs.filter(({ name }) => name !== 'probe')) {
    const file = path.join(folder, graph.file);
    const feeds = feedsFor(graph.inputs, manifest);
    const names = graph.outputs.map(({ graphName }) => graphName);
    const session = await openSession(file, { threads: 1 });
    const ours = await session.run(feeds, names);
    await session.dispose();
    const told = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape, values: Array.from<number | bigint, number>(data, Number) },
    ]);
    const theirs = await python.ask(
      'run',
      { file, feeds: Object.fromEntries(told), outputs: names },
      z.array(z.array(z.number())),
    );
    for (const [i, name] of names.entries())
      worst = Math.max(worst, largestDifference(toFloat32(ours[name]!), theirs[i]!));
  }
  return { ok: worst <= TOLERANCE, text: worst.toExponential(1) };
}

/** The ids of TEXTS, by any of the programs that read tokenizer.json. */
export async function compareIds(
  peer: Peer,
  command: string,
  request: object,
  { folder, manifest }: ModelFolder,
): Promise<Finding> {
  if (!manifest.tokenizer) return { ok: true, text: 'no tokenizer' };
  const tokenizer = await openTokenizer(folder);
  const theirs = await peer.ask(command, { ...request, texts: TEXTS }, z.array(z.array(z.number())));
  const differs = TEXTS.findIndex((text, i) => !isSame([...tokenizer.encodeIds(text).ids], theirs[i]!));
  return differs < 0 ? { ok: true, text: 'same' } : { ok: false, text: `differs on ${JSON.stringify(TEXTS[differs])}` };
}

/** What transformers.js makes of the folder in the task that its head is for. */
export async function compareTask(js: Peer, model: ModelFolder): Promise<{ task: string; finding: Finding }> {
  const { manifest } = model;
  const outputs = new Set(manifest.graphs[0]!.outputs.map(({ name }) => name));
  if (!outputs.has('pooler_output') && !outputs.has('mlm_logits') && !outputs.has('class_logits')) {
    if (manifest.graphs[0]!.name === 'encoder_model') return generation(js, model, 'AutoModelForSeq2SeqLM');
    if (outputs.has('logits')) return generation(js, model, 'AutoModelForCausalLM');
  }
  if (outputs.has('mlm_logits') && manifest.tokenizer) return fillMaskTask(js, model);
  if (outputs.has('class_logits')) return forward(js, model, 'AutoModelForSequenceClassification', 'class_logits');
  return forward(js, model, 'AutoModel', 'last_hidden_state');
}

/**
 * A folder beside the model's under which transformers.js finds it: the same files, but config.json with a model type
 * that it knows, where the published one (megatron-bert) is not among them.
 */
export function folderForTransformersJs({ name, folder, manifest }: ModelFolder): { name: string; override: string } {
  const configFile = path.join(folder, 'config.json');
  if (!existsSync(configFile)) return { name, override: 'no config.json' }; // which transformers.js will tell
  const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
  const known = ['bert', 'gpt2', 't5', 'mt5'].includes(String(config.model_type));
  const isEncoder = ['bert', 'megatron-bert', 'zhouwenwang'].includes(manifest.architecture);
  if (known) return { name, override: '' };
  const type = isEncoder ? 'bert' : 't5';
  const copy = `${folder}-as-${type}`;
  mkdirSync(copy);
  for (const file of readdirSync(folder))
    if (file.endsWith('.json')) copyFileSync(path.join(folder, file), path.join(copy, file));
    else symlinkSync(path.join(folder, file), path.join(copy, file));
  const { architectures: _, ...rest } = config;
  writeFileSync(path.join(copy, 'config.json'), JSON.stringify({ ...rest, model_type: type }));
  return { name: path.basename(copy), override: `${String(config.model_type)} → ${type}` };
}

// --- internal ---

type TaskFinding = Promise<{ task: string; finding: Finding }>;

/** The candidates in their order; transformers.js also ranks the embedding's padding rows, which are left out here. */
async function fillMaskTask(js: Peer, { name, folder, manifest }: ModelFolder): TaskFinding {
  const model = await Encoder.open(folder, { threads: 1 });
  const paddingRows = Number(manifest.config.vocabularyRows) - model.vocabularySize;
  const { masks } = await fillMask(model, MASKED_TEXT, { topK: TOP_K });
  await model.dispose();
  const found = await finding(async () => {
    const theirs = await js.ask(
      'fillMask',
      { model: name, text: MASKED_TEXT, topK: TOP_K + paddingRows },
      z.array(z.object({ id: z.number(), score: z.number() })),
    );
    const ours = masks[0]!.candidates.map(({ id }) => id);
    const ids = theirs.map(({ id }) => id).filter((id) => id < model.vocabularySize);
    return isSame(ours, ids.slice(0, TOP_K))
      ? { ok: true, text: `same top ${TOP_K}` }
      : { ok: false, text: `top ${TOP_K}: ${ids}, fsb ${ours}` };
  });
  return { task: 'fill-mask', finding: found };
}

async function forward(
  js: Peer,
  { name, folder, manifest }: ModelFolder,
  className: string,
  output: string,
): TaskFinding {
  const model = await Encoder.open(folder, { threads: 1 });
  const ids = Array.from({ length: 9 }, (_, i) => (1 + i * 7) % Number(manifest.config.vocabularyRows));
  const outputs = await model.run([{ ids }], [output]);
  await model.dispose();
  const graphName = manifest.graphs[0]!.outputs.find((one) => one.name === output)!.graphName;
  const found = await finding(async () => {
    const theirs = await js.ask('forward', { model: name, className, output: graphName, ids }, z.array(z.number()));
    const worst = largestDifference(outputs[0]![0]!.values, theirs);
    return { ok: worst <= TOLERANCE, text: `max Δ ${worst.toExponential(1)}` };
  });
  return { task: className, finding: found };
}

/** Greedy: the new tokens, and so many that the token which ends a text is not allowed on either side. */
async function generation(js: Peer, { name, folder, manifest }: ModelFolder, className: string): TaskFinding {
  const generator = await Generator.open(folder, { threads: 1 });
  const ids = [5, 8, 13, 21];
  const start = startToken({ manifest, tokenizer: manifest.tokenizer ? generator.requireTokenizer() : undefined });
  const decoderIds = className === 'AutoModelForSeq2SeqLM' ? [start ?? 0] : undefined;
  const { sequences } = await generator.generate(
    { ids, decoderIds },
    { maxNewTokens: NEW_TOKENS, minNewTokens: NEW_TOKENS },
  );
  await generator.dispose();
  const ours = [...sequences[0]!.tokens];
  const found = await finding(async () => {
    const options = {
      max_new_tokens: NEW_TOKENS,
      min_new_tokens: NEW_TOKENS,
      ...(decoderIds && { decoder_start_token_id: decoderIds[0] }),
    };
    const theirs = await js.ask('generate', { model: name, className, ids, options }, z.array(z.number()));
    const fresh = theirs.slice(decoderIds ? 1 : ids.length);
    return isSame(ours, fresh)
      ? { ok: true, text: `same ${ours.length} tokens` }
      : { ok: false, text: `tokens ${fresh}, fsb ${ours}` };
  });
  return { task: className, finding: found };
}

function largestDifference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  return theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
