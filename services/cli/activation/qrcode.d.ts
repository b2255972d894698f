/** What we use of the package, which has no types of its own. */
declare module 'qrcode' {
  export interface TerminalOptions {
    readonly type: 'terminal';
    /** Two modules in one character. */
    readonly small: boolean;
    readonly errorCorrectionLevel: 'L' | 'M' | 'Q' | 'H';
  }
  /** Resolves with lines of text and ANSI colours. Rejects when the text does not fit into any code. */
  function draw(text: string, options: TerminalOptions): Promise<string>;

  export { draw as toString };
}
