// Mocha's spec output for people, and the counts as JSON for test/run.ts.
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const output = options.reporterOptions?.output;
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      const failed = this.failures.map((test) => `${test.fullTitle()}: ${test.err?.message ?? 'failed'}`);
      if (output) writeFileSync(output, JSON.stringify({ passes, failures, pending, failed }));
    });
  }
};
