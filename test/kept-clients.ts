/** Clients of a suite, which are closed together in the end. */
export function keptClients() {
  const all: { close(): void }[] = [];
  return {
    keep: <C extends { close(): void }>(client: C): C => {
      all.push(client);
      return client;
    },
    close: (): void => {
      for (const each of all.splice(0)) each.close();
    },
  };
}
