/**
 * What a download costs in Node without anything around it, sha256 and writing included:
 *
 *   node plain-node.mjs fetch URL FILE    the built-in fetch, as most programs do it
 *   node plain-node.mjs socket URL FILE   one socket read into one buffer: the floor, it checks no status and no length
 */
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { connect } from 'node:net';

const [how, url, file] = process.argv.slice(2);
const hash = createHash('sha256');
const fd = openSync(file, 'w');

function take(bytes) {
  hash.update(bytes);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

if (how === 'fetch') {
  const { body } = await fetch(url);
  for await (const chunk of body) take(chunk);
} else {
  const { hostname, port, pathname } = new URL(url);
  let isHead = true;
  await new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: Buffer.allocUnsafeSlow(1 << 18),
        callback(length, buffer) {
          const bytes = buffer.subarray(0, length);
          take(isHead ? bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) : bytes);
          isHead = false;
          return true;
        },
      },
    });
    socket.on('error', reject).on('close', resolve).resume();
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`);
  });
}
console.log(hash.digest('hex'));
