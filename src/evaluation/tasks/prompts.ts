/**
 * Prompts that several tasks share. Cloze: FewCLUE's PET baselines (CLUEbenchmark/FewCLUE: baselines/models_keras/pet);
 * left to right: its GPT baseline (baselines/models_keras/gpt); label first: CPM-1-Generate (zero-shot-cls.py). CLUE's own
 * tasks afqmc and cmnli have no published prompt of that family and take those of bustm and ocnli. No prompt was
 * published for T5: the infill patterns are fsb's, after the cloze ones. UniMC: Fengshenbang-LM, examples/clue1.1
 * (data_preprocessing); eprstmt, csldcp, bustm and chid have none there and take the form of their neighbours. NLI: the label
 * descriptions of FewCLUE's EFL baseline for topics; hypotheses for csl, cluewsc and poet are fsb's.
 */
import type { ClueLabel, Prompts } from '../clue-task.ts';

/** Do two questions mean the same? Labels "0" and "1". */
export const SAME_MEANING: Prompts = {
  cloze: { pattern: '{text}和{pair}意思{mask}同', words: { '1': '相', '0': '不' } },
  lm: {
    prompt: '第一个句子是：{text}；另外一个句子是：{pair}这两句话的语义是',
    words: { '0': '反', '1': '正' },
  },
  infill: { source: '{text}和{pair}意思{mask}同', words: { '1': '相', '0': '不' } },
  unimc: { pair: '{pair}', words: { '0': '不相似', '1': '相似' } },
  nli: { hypothesis: '{pair}', classes: { '0': 'not-entailment', '1': 'entailment' } },
};

/** Does the first sentence entail the second? */
export const INFERENCE: Prompts = {
  cloze: {
    pattern: '{text}？{mask},{pair}',
    words: { entailment: '是的', neutral: '并且', contradiction: '不是' },
    maxLength: 256,
  },
  lm: {
    prompt: '。句子一：{text}；句子二：{pair}这两句话的语义是',
    words: { neutral: '中立', entailment: '包含', contradiction: '矛盾' },
  },
  lmLabelFirst: {
    prompt: '{text}？{label}，',
    continuation: '{pair}',
    words: { entailment: '对', contradiction: '错', neutral: '也许' },
  },
  infill: {
    source: '{text}？{mask}，{pair}',
    words: { entailment: '是的', neutral: '并且', contradiction: '不是' },
  },
  unimc: { pair: '{pair}', words: { contradiction: '矛盾', neutral: '自然', entailment: '蕴含' } },
  nli: {
    hypothesis: '{pair}',
    classes: { contradiction: 'contradiction', neutral: 'neutral', entailment: 'entailment' },
  },
};

/** Are these the abstract's keywords? Fields: keywords, abst. */
export const KEYWORDS: Prompts = {
  cloze: { pattern: '{mask}用{keywords}概括{abst}', words: { '1': '可以', '0': '不能' }, maxLength: 256 },
  lm: { prompt: '{abst300}与下面的关键词：{keywords}，', words: { '0': '不相关', '1': '很相关' } },
  infill: { source: '{mask}用{keywords}概括{abst}', words: { '1': '可以', '0': '不能' } },
  // upstream puts the abstract's own keywords (jieba, tf-idf) before it, which needs that program's word list
  unimc: { text: '{abst}', words: { '1': '可以使用{keywords}概括摘要', '0': '不能使用{keywords}概括摘要' } },
  nli: {
    premise: '{abst}',
    hypothesis: '这篇摘要的关键词是{keywords}',
    classes: { '1': 'entailment', '0': 'not-entailment' },
  },
};

/** Does the pronoun stand for the noun? Fields: passage, span1, span2, and the passage as UniMC marks it. */
export const PRONOUN: Prompts = {
  cloze: { pattern: '{span2}{mask}{span1}，{passage}', words: { true: '即', false: '非' }, maxLength: 256 },
  lm: { prompt: '{passage}其中{span2}是{span1},这是', words: { false: '错误', true: '正确' } },
  infill: { source: '{passage}其中{span2}是{span1}，这是{mask}的', words: { false: '错误', true: '正确' } },
  unimc: { text: '{unimcPassage}', words: { true: '{span2}是{span1}', false: '{span2}不是{span1}' } },
  nli: {
    premise: '{passage}',
    hypothesis: '{span2}指的是{span1}',
    classes: { true: 'entailment', false: 'not-entailment' },
  },
};

/** The word of each label is its Chinese name, or the one given. */
export function wordsOf(labels: readonly ClueLabel[], words?: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map(({ value, zh }, i) => [value, words?.[i] ?? zh]));
}

/** Which section is this headline of? `words`: value → two characters. */
export function newsPrompts(words: Readonly<Record<string, string>>): Prompts {
  return {
    cloze: { pattern: '下面报导一则{mask}新闻。{text}', words },
    lm: { prompt: '{text}这段内容是关于', words },
    lmLabelFirst: { prompt: '这是关于{label}的文章：', continuation: '{text}', words },
    infill: { source: '{text}这是一条关于{mask}的新闻', words },
    unimc: { question: '下面新闻属于哪一个类别？', words },
    nli: { hypothesis: '下面报道一条{label}新闻', words },
  };
}

/** Which category is this application of? */
export function applicationPrompts(words: Readonly<Record<string, string>>): Prompts {
  return {
    cloze: { pattern: '做为一款{mask}应用，{text}', words },
    lm: { prompt: '{text}这段内容是关于', words },
    lmLabelFirst: { prompt: '这是关于{label}的应用程序：', continuation: '{text}', words },
    infill: { source: '这是一款关于{mask}的应用：{text}', words },
    unimc: { question: '请问app应用属于？', words },
    nli: { hypothesis: '这段文本的应用描述主题是{label}', words },
  };
}
