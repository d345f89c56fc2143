/** The JSON that a hub answers with. */
import { IntegrityError, messageOf, NetworkError } from '../../util/errors.ts';
import type { HostToken, HttpClient } from '../http.ts';
import { redactUrl } from '../signed-url.ts';

/** The largest repositories list a few thousand files of some 300 bytes each. */
const MAX_LISTING_BYTES = 16 << 20;

/** Throws what `http.get` throws, IntegrityError "listing-too-large", NetworkError "unexpected-answer" for no JSON. */
export async function getJson(
  http: HttpClient,
  url: string,
  options: { readonly token?: HostToken | undefined; readonly signal?: AbortSignal | undefined },
): Promise<unknown> {
  const { body } = await http.get(url, { ...options, accept: 'application/json' });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_LISTING_BYTES)
      throw new IntegrityError(`${redactUrl(url)}: a listing of more than ${MAX_LISTING_BYTES} bytes`, {
        code: 'listing-too-large',
      });
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new NetworkError(`${redactUrl(url)}: expected JSON, got ${start} (${messageOf(error)})`, {
      code: 'unexpected-answer',
      hint: 'a login page or proxy may be answering in place of the hub; check the network and HF_ENDPOINT',
    });
  }
}
