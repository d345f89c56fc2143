#!/usr/bin/env node
import module from 'node:module';

// Node 22.8+ keeps compiled code between runs, which halves the start; older versions compile anew
module.enableCompileCache?.();
const { main } = await import('../dist/cli/main.js');
process.exitCode = await main(process.argv.slice(2));
