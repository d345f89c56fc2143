/** fsb demo: the whole way on the embedded models, offline, by the very commands a user would type. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { formatDuration } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';
import { execute } from '../main.ts';
import type { Messages } from '../messages/index.ts';

const STEPS: readonly { readonly title: keyof Messages['demo']; readonly commands: readonly (readonly string[])[] }[] =
  [
    {
      title: 'pull',
      commands: [
        ['pull', 'erlangshen-mini'],
        ['pull', 'erlangshen-mini-poet'],
      ],
    },
    { title: 'verify', commands: [['verify', 'erlangshen-mini']] },
    {
      title: 'convert',
      commands: [
        ['convert', 'erlangshen-mini'],
        ['convert', 'erlangshen-mini-poet'],
      ],
    },
    { title: 'fillMask', commands: [['fill-mask', 'erlangshen-mini', '床前明[MASK]光，疑是地上霜。', '--top-k', '3']] },
    {
      title: 'classify',
      commands: [['classify', 'erlangshen-mini-poet', '大江东去，浪淘尽，千古风流人物。', '--top-k', '3']],
    },
    { title: 'eval', commands: [['eval', '--task', 'poet']] },
  ];

export const command: CommandModule = {
  json: false,
  declare(command, run) {
    command.action(
      run(async (context, _options: CommonOptions) => {
        const { output, messages, signal } = context;
        const started = performance.now();
        const home = await mkdtemp(path.join(os.tmpdir(), 'fsb-demo-'));
        const former = { FSB_HOME: process.env.FSB_HOME, FSB_OFFLINE: process.env.FSB_OFFLINE };
        Object.assign(process.env, { FSB_HOME: home, FSB_OFFLINE: '1' }); // nothing of the user's is touched or needed
        try {
          output.line(output.style.bold(messages.demo.title));
          for (const { title, commands } of STEPS) {
            output.line(`\n${output.style.cyan(messages.demo[title])}`);
            for (const argv of commands) {
              output.line(output.style.dim(`$ fsb ${argv.map(quoted).join(' ')}`));
              await execute(argv, signal);
            }
          }
          output.line(`\n${output.style.green('✓')} ${formatDuration((performance.now() - started) / 1000)}`);
          output.line(messages.demo.next);
        } finally {
          for (const [name, value] of Object.entries(former)) {
            if (value === undefined) delete process.env[name];
            else process.env[name] = value;
          }
          await rm(home, { recursive: true, force: true });
        }
      }),
    );
    example(command, 'fsb demo');
  },
};

// --- internal ---

const quoted = (word: string): string => (/^[\w.-]+$/.test(word) ? word : `"${word}"`);
