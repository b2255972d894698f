/** What a text says as JSON; undefined for one that is damaged, cut off or none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
