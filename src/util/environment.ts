/**
 * Every environment variable that fsb reads, in one place, but for those of proxies (hub/proxy.ts). A flag of the
 * command line wins over its variable.
 */
import os from 'node:os';
import path from 'node:path';

type Variables = Readonly<Record<string, string | undefined>>;

export interface Environment {
  /** Directory of all state (checkpoints, models, datasets). */
  readonly home: string;
  /** A registry.json merged over the built-in one. */
  readonly registryFile: string | undefined;
  readonly language: 'zh' | 'en';
  readonly offline: boolean;
  readonly huggingFaceEndpoint: string;
  readonly huggingFaceToken: string | undefined;
  readonly huggingFaceCache: string;
  readonly modelScopeEndpoint: string;
  readonly modelScopeCache: string;
  /** Threads of a session; undefined lets the engine choose. */
  readonly threads: number | undefined;
  /** Which binding drives ONNX Runtime: its C API through koffi, or the stock JavaScript API. @default "auto" */
  readonly runtime: string;
  readonly noColor: boolean;
}

/** Reads the variables (see README, "Environment"); unset ones get their documented defaults. */
export function readEnvironment(variables: Variables = process.env): Environment {
  const get = (name: string): string | undefined => variables[name] || undefined;
  const isOn = (name: string): boolean => !['', '0', 'false', 'no', 'off'].includes((get(name) ?? '').toLowerCase());
  const threads = Number(get('FSB_THREADS'));
  const hfHome = get('HF_HOME') ?? path.join(os.homedir(), '.cache', 'huggingface');
  return {
    home: get('FSB_HOME') ?? defaultHome(variables),
    registryFile: get('FSB_REGISTRY'),
    language: languageOf(get('FSB_LANG') ?? get('LC_ALL') ?? get('LC_MESSAGES') ?? get('LANG') ?? 'en'),
    offline: isOn('FSB_OFFLINE') || isOn('HF_HUB_OFFLINE'),
    huggingFaceEndpoint: (get('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, ''),
    huggingFaceToken: get('HF_TOKEN'),
    huggingFaceCache: get('HF_HUB_CACHE') ?? path.join(hfHome, 'hub'),
    modelScopeEndpoint: (get('FSB_MODELSCOPE_ENDPOINT') ?? 'https://modelscope.cn').replace(/\/+$/, ''),
    modelScopeCache: get('MODELSCOPE_CACHE') ?? path.join(os.homedir(), '.cache', 'modelscope'),
    threads: Number.isInteger(threads) && threads > 0 ? threads : undefined,
    runtime: get('FSB_RUNTIME') ?? 'auto',
    noColor: get('NO_COLOR') !== undefined,
  };
}

// --- internal ---

function defaultHome(variables: Variables): string {
  const home = os.homedir();
  if (process.platform === 'win32')
    return path.join(variables.LOCALAPPDATA ?? path.join(home, 'AppData', 'Local'), 'fsb');
  if (process.platform === 'darwin') return path.join(home, 'Library', 'Application Support', 'fsb');
  return path.join(variables.XDG_DATA_HOME || path.join(home, '.local', 'share'), 'fsb');
}

function languageOf(locale: string): 'zh' | 'en' {
  return locale.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
