import assert from 'node:assert/strict';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, it } from 'mocha';
import { ApprovalFormSchema } from '#gen/sallyport/task/v1/work_item_pb.js';
import type { Ask } from '../engine/definition.ts';
import { approval } from './ask.ts';
import { newItem } from './new-item.ts';

const ask: Ask = {
  title: 'May she?',
  form: ApprovalFormSchema,
  to: { users: ['Anna '], roles: ['helpdesk'] },
};

describe('asking people', () => {
  it('names them as the directory does, and gives the form with all that it needs', () => {
    const escalate = { afterMs: 500, to: { groups: ['Board'] } };
    const item = newItem({ ...ask, except: ['Otto'], escalate }, 1000);
    assert.deepEqual(item.candidates, ['user/anna', 'role/helpdesk']);
    assert.deepEqual(item.except, ['otto']);
    assert.deepEqual(item.escalate, { atMs: 1500, candidates: ['group/Board'] });
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, item.form.descriptorSet));
    const fields = registry.getMessage(item.form.type)?.fields.map(({ name }) => name);
    assert.deepEqual(fields, ['decision', 'comment']);
    assert.match(item.form.id, /^[A-Za-z0-9_-]{22}$/);
    assert.equal(newItem(ask, 0).form.id, item.form.id);
  });

  it('takes asking nobody, or for nothing, for a fault of the task', () => {
    assert.throws(() => newItem({ ...ask, to: {} }, 0), TypeError);
    assert.throws(() => newItem({ ...ask, title: '' }, 0), TypeError);
  });

  it('tells what an approver has said, and that none has in time', async () => {
    const said = { by: 'person/anna', form: { decision: 'DECISION_APPROVE', comment: 'gladly' } };
    const { form: _, ...item } = ask;
    const told = await approval({ ask: async () => said }, 'a', item);
    assert.deepEqual(told, { approved: true, by: 'person/anna', comment: 'gladly' });
    assert.equal(await approval({ ask: async () => undefined }, 'a', item), undefined);
  });
});
