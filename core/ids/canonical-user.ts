/** The form under which a name is stored and compared: people mistype case and width, not identity. */
export function canonicalUser(name: string): string {
  return name.normalize('NFKC').toLowerCase().normalize('NFKC').trim();
}
