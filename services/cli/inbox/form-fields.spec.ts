import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import {
  ApprovalFormSchema,
  ListItemsRequestSchema,
  WorkItemSchema,
} from '#gen/sallyport/task/v1/work_item_pb.js';
import { UsageError } from '../failure.ts';
import { fieldLines, typedFields } from './form-fields.ts';

describe('fields of a form on the command line', () => {
  it('are told with what can be typed there', () => {
    assert.deepEqual(
      fieldLines(ApprovalFormSchema).map((line) => line.trim().replace(/ +/, ' ')),
      ['decision approve | reject', 'comment string'],
    );
  });

  it('become JSON of protobuf', () => {
    assert.deepEqual(typedFields(ApprovalFormSchema, ['decision=approve', 'comment=a=b, c']), {
      decision: 'DECISION_APPROVE',
      comment: 'a=b, c',
    });
    assert.deepEqual(typedFields(ListItemsRequestSchema, ['everybody=true', 'page_size=7']), {
      everybody: true,
      pageSize: '7',
    });
    assert.deepEqual(typedFields(WorkItemSchema, ['candidates=user/a, user/b']), {
      candidates: ['user/a', 'user/b'],
    });
  });

  it('are refused when the form has none such, or not that value', () => {
    for (const wrong of ['comment', 'remark=x', 'decision=maybe'])
      assert.throws(() => typedFields(ApprovalFormSchema, [wrong]), UsageError);
    assert.throws(() => typedFields(ListItemsRequestSchema, ['everybody=yes']), UsageError);
  });
});
