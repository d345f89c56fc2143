/** Prints {"guarded", "unguarded"}: the error of an int8 product on this processor with fsb's sessions, and without their guard. */
import { saturationError } from './saturation.ts';

const result = { guarded: await saturationError('guarded'), unguarded: await saturationError('unguarded') };
console.log(JSON.stringify(result));
