// The scans of digits: pixels from 0 to 16, and the order in which training takes them.

const CLASSES = 10;

export class Scans {
  /** `counts` is scans.json, `bytes` scans.bin: all pixels, then all labels; those for training come first. */
  constructor(counts, bytes) {
    Object.assign(this, counts);
    this.area = this.size * this.size;
    const total = this.train + this.test;
    if (bytes.length !== total * (this.area + 1))
      throw new Error("scans.bin is not as scans.json says");
    this.pixels = bytes.subarray(0, total * this.area);
    this.labels = bytes.subarray(total * this.area);
  }

  get stepsOfEpoch() {
    return Math.ceil(this.train / this.batch);
  }

  image(index) {
    return this.pixels.subarray(index * this.area, (index + 1) * this.area);
  }

  /** The rows of a step, counted from the first: any visitor's training takes them in the same order. */
  rowsOf(step) {
    const epoch = Math.floor(step / this.stepsOfEpoch);
    if (this.shuffled !== epoch)
      [this.shuffled, this.order] = [epoch, permutation(this.train, epoch)];
    const begin = (step % this.stepsOfEpoch) * this.batch;
    return this.order.subarray(begin, begin + this.batch);
  }

  rowsOfTest() {
    return Uint32Array.from({ length: this.test }, (_, row) => this.train + row);
  }

  /** What the network is fed: the images as float32 from -1 to 1, and the labels. */
  feeds(ort, rows) {
    const labels = BigInt64Array.from(rows, (row) => BigInt(this.labels[row]));
    const pixels = new Uint8Array(rows.length * this.area);
    rows.forEach((row, place) => pixels.set(this.image(row), place * this.area));
    return {
      x: imagesOf(ort, pixels, this.size),
      y: new ort.Tensor("int64", labels, [rows.length]),
    };
  }
}

/** Pixels from 0 to 16 of any number of images as what the network reads. */
export function imagesOf(ort, pixels, size) {
  const scaled = Float32Array.from(pixels, (value) => value / 8 - 1);
  return new ort.Tensor("float32", scaled, [pixels.length / size ** 2, 1, size, size]);
}

/** The probabilities of each row of logits. */
export function probabilities(logits) {
  const found = new Float32Array(logits.length);
  for (let begin = 0; begin < logits.length; begin += CLASSES) {
    const row = logits.subarray(begin, begin + CLASSES);
    const largest = Math.max(...row);
    const powers = Array.from(row, (logit) => Math.exp(logit - largest));
    const sum = powers.reduce((total, power) => total + power);
    powers.forEach((power, place) => (found[begin + place] = power / sum));
  }
  return found;
}

/** The numbers below `count`, shuffled (Fisher and Yates) by a generator of 32 bits with this seed (mulberry32). */
function permutation(count, seed) {
  let state = seed;
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const order = Uint32Array.from({ length: count }, (_, place) => place);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}
