/**
 * Where things live below FSB_HOME:
 *
 *     checkpoints/<name>/<revision>/   PyTorch weights as published ("local" when imported from a file)
 *     models/<name>/<dtype>/           converted, loadable
 *     datasets/<name>/                 CLUE, FewCLUE, …
 *     results/                         predictions and reports of eval
 *     cuda/                            ONNX Runtime's provider files for CUDA, put there by hand
 *     tmp/                             unfinished work
 *
 * Names come from outside (hub ids, branches, --as): each becomes one folder name that cannot leave its place.
 */
import path from 'node:path';
import { readEnvironment } from '../util/environment.ts';
import { UsageError } from '../util/errors.ts';

/** File systems allow 255 bytes; the rest is for suffixes such as ".1a2b3c4d.partial". */
const MAX_NAME_BYTES = 200;

/** Device names of Windows, reserved with any extension. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

/** Where the checkpoint of a model lies. `revision` is a commit, a branch, or "local" for an imported one. */
export function checkpointFolder(name: string, revision = 'local', home = readEnvironment().home): string {
  return path.join(home, 'checkpoints', folderName(name), folderName(revision));
}

/** Where the revisions of a model's checkpoint lie. */
export function checkpointsFolder(name: string, home = readEnvironment().home): string {
  return path.join(home, 'checkpoints', folderName(name));
}

/** Where the converted model lies. `dtype` as in `fsb convert --dtype`. */
export function modelFolder(name: string, dtype: string, home = readEnvironment().home): string {
  return path.join(home, 'models', folderName(name), folderName(dtype));
}

/** Where a data set's files lie. */
export function datasetFolder(name: string, home = readEnvironment().home): string {
  return path.join(home, 'datasets', folderName(name));
}

/** Where evaluation writes when it is not told a folder. */
export function resultsFolder(home = readEnvironment().home): string {
  return path.join(home, 'results');
}

/** Where the provider files for CUDA are looked for, beside the folder of onnxruntime-node. */
export function cudaFolder(home = readEnvironment().home): string {
  return path.join(home, 'cuda');
}

/** For unfinished work; on the same file system as the rest, so that finishing is a rename. */
export function temporaryFolder(home = readEnvironment().home): string {
  return path.join(home, 'tmp');
}

/**
 * One folder name for a name from outside: "IDEA-CCNL/X" → "IDEA-CCNL--X" (as the hub's own cache does), characters
 * that some file system refuses as %XX. Throws UsageError (unsafe-name) for what no folder can be called.
 */
export function folderName(name: string): string {
  const encoded = name
    .normalize('NFC') // macOS and Linux would otherwise disagree on what "é" is
    .replaceAll('/', '--')
    .replace(/[\x00-\x1f\x7f%\\:*?"<>|]|^\.|[. ]$/g, percent)
    .replace(RESERVED, (device) => percent(device.charAt(0)) + device.slice(1));
  if (name.trim() === '' || Buffer.byteLength(encoded) > MAX_NAME_BYTES)
    throw new UsageError(
      `${JSON.stringify(name.slice(0, 60))} cannot be a folder's name: expected 1 to ${MAX_NAME_BYTES} bytes`,
      { code: 'unsafe-name', hint: 'choose a shorter name with letters, digits, "-", "_" and "."' },
    );
  return encoded;
}

// --- internal ---

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
