/** How fast bytes go, over the last seconds. */
const SECONDS = 5;

export class Rate {
  private samples: { at: number; bytes: number }[] = [];

  constructor(private readonly now: () => number = () => performance.now() / 1000) {}

  note(bytes: number): void {
    const at = this.now();
    this.samples = [...this.samples.filter((sample) => at - sample.at <= SECONDS), { at, bytes }];
  }

  clear(): void {
    this.samples = [];
  }

  /** Bytes per second; null while it is not known. */
  get value(): number | null {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at - first.at < 0.3) return null;
    return Math.max(0, last.bytes - first.bytes) / (last.at - first.at);
  }
}
