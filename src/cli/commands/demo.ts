/** fsb demo: the whole way on the embedded models, offline, by the very commands a user would type; leaves a report page. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { formatDuration } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';
import { execute } from '../main.ts';
import type { Messages } from '../messages/index.ts';

interface Step {
  readonly title: Exclude<keyof Messages['demo'], 'report'>;
  readonly commands: readonly (readonly string[])[];
}

const stepsTo = (report: string): readonly Step[] => [
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
  { title: 'eval', commands: [['eval', '--task', 'poet', '--report', report]] },
];

export const command: CommandModule = {
  json: false,
  declare(command, run) {
    command.action(
      run(async (context, _options: CommonOptions) => {
        const { output, messages, signal } = context;
        const started = performance.now();
        const folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-demo-'));
        const home = path.join(folder, 'home');
        const report = path.join(folder, 'report.html');
        const former = { FSB_HOME: process.env.FSB_HOME, FSB_OFFLINE: process.env.FSB_OFFLINE };
        Object.assign(process.env, { FSB_HOME: home, FSB_OFFLINE: '1' }); // nothing of the user's is touched or needed
        try {
          output.line(output.style.bold(messages.demo.title));
          for (const { title, commands } of stepsTo(report)) {
            output.line(`\n${output.style.cyan(messages.demo[title])}`);
            for (const argv of commands) {
              output.line(output.style.dim(`$ fsb ${argv.map(quoted).join(' ')}`));
              await execute(argv, signal);
            }
          }
          output.line(`\n${output.style.green('✓')} ${formatDuration((performance.now() - started) / 1000)}`);
          output.line(messages.demo.report(report));
          output.line(messages.demo.next);
        } finally {
          for (const [name, value] of Object.entries(former)) {
            if (value === undefined) delete process.env[name];
            else process.env[name] = value;
          }
          await rm(home, { recursive: true, force: true }); // the report stays
        }
      }),
    );
    example(command, 'fsb demo');
  },
};

// --- internal ---

const quoted = (word: string): string => (/^[\w.-]+$/.test(word) ? word : `"${word}"`);
