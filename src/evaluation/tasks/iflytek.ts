import type { ClueLabel, ClueTask } from '../clue-task.ts';
import { applicationPrompts, wordsOf } from './prompts.ts';
import { parseSentenceRow } from './rows.ts';

/** The application categories in the order of their labels "0".."118" (labels.json of the data set). */
// biome-ignore format: one category a line would be 119 lines
const CATEGORIES = [
  '打车', '地图导航', '免费WIFI', '租车', '同城服务', '快递物流', '婚庆', '家政', '公共交通', '政务',
  '社区服务', '薅羊毛', '魔幻', '仙侠', '卡牌', '飞行空战', '射击游戏', '休闲益智', '动作类', '体育竞技',
  '棋牌中心', '经营养成', '策略', 'MOBA', '辅助工具', '约会社交', '即时通讯', '工作社交', '论坛圈子',
  '婚恋社交', '情侣社交', '社交工具', '生活社交', '微博博客', '新闻', '漫画', '小说', '技术', '教辅',
  '问答交流', '搞笑', '杂志', '百科', '影视娱乐', '求职', '兼职', '视频', '短视频', '音乐', '直播', '电台',
  'K歌', '成人', '中小学', '职考', '公务员', '英语', '视频教育', '高等教育', '成人教育', '艺术',
  '语言(非英语)', '旅游资讯', '综合预定', '民航', '铁路', '酒店', '行程管理', '民宿短租', '出国', '工具',
  '亲子儿童', '母婴', '驾校', '违章', '汽车咨询', '汽车交易', '日常养车', '行车辅助', '租房', '买房',
  '装修家居', '电子产品', '问诊挂号', '养生保健', '医疗服务', '减肥瘦身', '美妆美业', '菜谱', '餐饮店',
  '体育咨讯', '运动健身', '支付', '保险', '股票', '借贷', '理财', '彩票', '记账', '银行', '美颜', '影像剪辑',
  '摄影修图', '相机', '绘画', '二手', '电商', '团购', '外卖', '电影票务', '社区超市', '购物咨询', '笔记',
  '办公', '日程管理', '女性', '经营', '收款', '其他',
] as const;

/** Two characters for each category, for prompts (FewCLUE: iflytek/label_short.json). */
const SHORT_NAMES = [
  '打车 地图 免费 租车 同城 快递 婚庆 家政 交通 政务 社区 赚钱 魔幻 仙侠 卡牌 飞行 射击',
  '休闲 动作 体育 棋牌 养成 策略 竞技 辅助 约会 通讯 工作 论坛 婚恋 情侣 社交 生活 博客',
  '新闻 漫画 小说 技术 教辅 问答 搞笑 杂志 百科 影视 求职 兼职 视频 短视 音乐 直播 电台',
  '唱歌 两性 小学 职考 公务 英语 在线 教育 成人 艺术 语言 旅游 预定 民航 铁路 酒店 行程',
  '民宿 出国 工具 亲子 母婴 驾校 违章 汽车 买车 养车 行车 租房 买房 装修 电子 挂号 养生',
  '医疗 减肥 美妆 菜谱 餐饮 资讯 运动 支付 保险 股票 借贷 理财 彩票 记账 银行 美颜 影像',
  '摄影 相机 绘画 二手 电商 团购 外卖 票务 超市 购物 笔记 办公 日程 女性 经营 收款 其他',
]
  .join(' ')
  .split(' ');

export const IFLYTEK_LABELS: readonly ClueLabel[] = CATEGORIES.map((zh, index) => ({ value: String(index), zh }));

export const IFLYTEK_PROMPTS = applicationPrompts(wordsOf(IFLYTEK_LABELS, SHORT_NAMES));

/** IFLYTEK: the category of an application from its long description, of which 128 tokens are read. */
export const iflytek: ClueTask = {
  name: 'iflytek',
  title: { zh: '应用描述长文本分类', en: 'application description classification' },
  dataset: 'iflytek',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: IFLYTEK_LABELS,
  droppedLabels: [],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: '70', count: 388, examples: 2599 },
  prompts: IFLYTEK_PROMPTS,
  parseRow: parseSentenceRow,
};
