import type { RuleMaker } from './rule.ts';

/** I2: no two attachments share an epoch. */
export const epochRule: RuleMaker = (_world, report) => {
  const given = new Map<string, { client: string; at: number }>();
  return {
    attached: ({ epoch, client, proxy, at }) => {
      const before = given.get(epoch);
      if (before === undefined) {
        given.set(epoch, { client, at });
        return;
      }
      const message = `${client} at ${proxy} has the epoch ${epoch} that ${before.client} was given at ${before.at}`;
      report({ rule: 'epoch-given-twice', ops: [], at, message });
    },
  };
};
