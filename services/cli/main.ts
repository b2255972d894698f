/** `sallyport`: runs the mesh, looks after it, and plays the phone. `sallyport --help` says what there is. */
import { systemClock } from '#kernel/time/system-clock.ts';
import { listenForInterrupts } from './interrupts.ts';
import { openOutput } from './output.ts';
import { runCli } from './run-cli.ts';

const interrupts = listenForInterrupts({ events: process, clock: systemClock });
const output = openOutput(process.stdout);
const errors = openOutput(process.stderr);
process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  signal: interrupts.signal,
  onSecondInterrupt: interrupts.onSecond,
  clock: systemClock,
  out: output.write,
  outBytes: output.writeBytes,
  err: errors.write,
});
interrupts.close();
