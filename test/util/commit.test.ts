/** Git's files as provenance reads them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readCommit } from '../../src/util/commit.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('commit');
const HASH = 'a1'.repeat(20);

function folder(name: string, files: Readonly<Record<string, string>>): string {
  const root = path.join(scratch, name);
  for (const [file, text] of Object.entries({ 'package.json': '{}', ...files })) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  return root;
}

it.each([
  ['a branch', { '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': `${HASH}\n` }],
  [
    'a packed branch',
    {
      '.git/HEAD': 'ref: refs/heads/main\n',
      '.git/packed-refs': `# pack-refs with: peeled\n${HASH} refs/heads/main\n`,
    },
  ],
  ['a detached head', { '.git/HEAD': `${HASH}\n` }],
  [
    'a linked worktree',
    {
      '.git': 'gitdir: common/worktrees/w\n',
      'common/worktrees/w/HEAD': 'ref: refs/heads/w\n',
      'common/worktrees/w/commondir': '../..\n',
      'common/refs/heads/w': HASH,
    },
  ],
  ['a packed package', { 'dist/commit': `${HASH}\n` }],
])('finds the commit of %s', (name, files) => {
  expect(readCommit(folder(name, files))).toBe(HASH);
});

it('knows none in a package without either, or in a repository without a commit', () => {
  expect(readCommit(folder('bare', {}))).toBeUndefined();
  expect(readCommit(folder('empty', { '.git/HEAD': 'ref: refs/heads/main\n' }))).toBeUndefined();
  expect(readCommit(folder('odd', { 'dist/commit': 'HEAD' }))).toBeUndefined();
});
