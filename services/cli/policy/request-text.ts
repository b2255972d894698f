import { UsageError } from '../failure.ts';

/** `GET intranet.example/news`, also with a scheme, or with the name of a resource in place of the host. */
export function requestOf(text: string): { method: string; authority: string; path: string } {
  const [, method, authority, path = '/'] =
    /^([A-Za-z]+) (?:https?:\/\/)?([^/\s]+)(\/\S*)?$/.exec(text.trim()) ?? [];
  if (method === undefined || authority === undefined) {
    throw new UsageError(`"${text}" is not a request`, 'write it as GET intranet.example/news');
  }
  return { method: method.toUpperCase(), authority, path };
}
