// Preloaded into a measured process (node --import): on exit it writes what the process used to the file USAGE_FILE.
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
  writeFileSync(process.env.USAGE_FILE, JSON.stringify({ cpuSeconds, peakRssBytes: maxRSS * 1024 }));
});
