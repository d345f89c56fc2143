/** Chinese texts of the command line. */
import type { Messages } from './index.ts';

export const zh: Messages = {
  tagline: '封神榜中文模型：从下载链接到可复核的结果，无需 Python',
  helpFooter: '从这里开始：fsb demo      查看某个命令的帮助：fsb 命令 --help',
  summaries: {
    list: '列出 fsb 认识的模型（或任务），以及本机已有哪些',
    info: '查看一个模型：来源、所需内存与磁盘、公布的成绩、注意事项',
    pull: '下载检查点并校验哈希',
    import: '导入手头的 zip 或文件夹形式的检查点',
    verify: '按哈希校验检查点或模型的文件，并重跑模型的探针',
    inspect: '列出检查点的张量，或计算图的输入、输出与算子',
    convert: '把检查点转换为模型文件夹（ONNX）',
    infer: '对 id 或文本运行计算图，输出各个命名结果',
    fillMask: '预测文本中的 [MASK]',
    classify: '对一段文本或一对文本分类',
    embed: '把文本变成向量',
    similarity: '计算两段文本的相似程度',
    tokenize: '把文本切成词元，或把 id 还原为文本',
    eval: '在 CLUE 任务上评测模型',
    doctor: '检查本机能做什么，不能做的原因是什么',
    demo: '用内置小模型离线走完全程',
  },
  pulling: (name) => `下载 ${name}`,
  converting: (name, dtype) => `转换 ${name}（${dtype}）`,
  evaluating: (task) => `评测 ${task}`,
  missingStep: (name, step) => `${name}：本机还没有，先执行：${step}`,
  cosineSimilarity: (name) => `${name} 没有相似度分类头：分数为平均向量的余弦`,
  device: (device) => `设备：${device}`,
};
