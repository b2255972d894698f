import assert from 'node:assert/strict';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, it } from 'mocha';
import { clearFailure, isTransient } from './failure.ts';

/** As connect-node makes it of an error of Node's HTTP/2. */
function ofNode(code: string): ConnectError {
  const error = new ConnectError('it failed', Code.Internal);
  error.cause = Object.assign(new Error('it failed'), { code });
  return error;
}

describe('a call that failed in clear', () => {
  it('says that the edge lives when that has reset the stream, and that it is to be tried again', () => {
    const { from, error } = clearFailure(ofNode('ERR_HTTP2_STREAM_ERROR'));
    assert.equal(from, 'tier');
    assert.equal(isTransient(error), true);
  });

  it('is the edge’s fault when the connection broke', () => {
    const { from, error } = clearFailure(ofNode('ECONNRESET'));
    assert.equal(from, 'connection');
    assert.equal(isTransient(error), true);
  });
});
