/** The ways in which a checkpoint's bytes are refused. All are IntegrityErrors (exit code 6) that name the place. */
import { IntegrityError } from '../util/errors.ts';

const DOWNLOAD_AGAIN = 'the file is damaged or incomplete: check its sha256 and fetch it again';
const DO_NOT_TRUST =
  'nothing of it was executed; do not load this file with other tools unless you trust where it comes from';

/** The container is damaged: something is missing, or two places disagree. `where` is the file, and the entry if any. */
export function corruptArchive(where: string, what: string, hint: string = DOWNLOAD_AGAIN): IntegrityError {
  return new IntegrityError(`${where}: ${what}`, { code: 'corrupt-archive', hint, facts: { where } });
}

/** An archive or index names a path that leads out of its folder. */
export function unsafePath(where: string, what: string): IntegrityError {
  return new IntegrityError(`${where}: ${what}`, { code: 'unsafe-path', hint: DO_NOT_TRUST, facts: { where } });
}

/** A pickle asks for something that is not on the allow-list. */
export function unsafePickle(where: string, what: string, facts: Record<string, unknown> = {}): IntegrityError {
  return new IntegrityError(`${where}: ${what}`, {
    code: 'unsafe-pickle',
    hint: DO_NOT_TRUST,
    facts: { where, ...facts },
  });
}

/** A pickle is cut off, uses an unknown opcode, or is larger than any checkpoint's. */
export function malformedPickle(where: string, what: string): IntegrityError {
  return new IntegrityError(`${where}: ${what}`, { code: 'malformed-pickle', hint: DOWNLOAD_AGAIN, facts: { where } });
}

/** A tensor's description does not fit the bytes that should hold it. */
export function badTensor(where: string, name: string | undefined, what: string): IntegrityError {
  const tensor = name === undefined ? '' : `tensor "${name}": `;
  return new IntegrityError(`${where}: ${tensor}${what}`, { code: 'bad-tensor', facts: { where, tensor: name } });
}
