/** The commands of fsb: name → what `fsb --help` says, and where the rest is. */
import type { CommandModule } from '../command.ts';
import type { Messages } from '../messages/index.ts';

interface CommandEntry {
  readonly summary: keyof Messages['summaries'];
  readonly load: () => Promise<{ command: CommandModule }>;
}

export const COMMANDS = {
  list: { summary: 'list', load: () => import('./list.ts') },
  info: { summary: 'info', load: () => import('./info.ts') },
  pull: { summary: 'pull', load: () => import('./pull.ts') },
  import: { summary: 'import', load: () => import('./import.ts') },
  verify: { summary: 'verify', load: () => import('./verify.ts') },
  inspect: { summary: 'inspect', load: () => import('./inspect.ts') },
  diff: { summary: 'diff', load: () => import('./diff.ts') },
  convert: { summary: 'convert', load: () => import('./convert.ts') },
  tokenize: { summary: 'tokenize', load: () => import('./tokenize.ts') },
  infer: { summary: 'infer', load: () => import('./infer.ts') },
  'fill-mask': { summary: 'fillMask', load: () => import('./fill-mask.ts') },
  classify: { summary: 'classify', load: () => import('./classify.ts') },
  embed: { summary: 'embed', load: () => import('./embed.ts') },
  similarity: { summary: 'similarity', load: () => import('./similarity.ts') },
  generate: { summary: 'generate', load: () => import('./generate.ts') },
  score: { summary: 'score', load: () => import('./score.ts') },
  eval: { summary: 'eval', load: () => import('./eval.ts') },
  bench: { summary: 'bench', load: () => import('./bench.ts') },
  demo: { summary: 'demo', load: () => import('./demo.ts') },
  doctor: { summary: 'doctor', load: () => import('./doctor.ts') },
} as const satisfies Record<string, CommandEntry>;
