// A bundle of ng.export, run by onnxruntime-node or onnxruntime-web: docs/bundles.md says what is in it.

export const ARRAYS = {
  float64: Float64Array, float32: Float32Array, int64: BigInt64Array, int32: Int32Array, int16: Int16Array,
  int8: Int8Array, uint64: BigUint64Array, uint32: Uint32Array, uint16: Uint16Array, uint8: Uint8Array,
  float16: Uint16Array, bool: Uint8Array,
};

/** The tensors of a safetensors file, each as onnxruntime's. */
export function readState(ort, rows, buffer) {
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  return Object.fromEntries(rows.map(({ name, dtype, shape }) => {
    const [begin, end] = header[name].data_offsets;
    const data = new ARRAYS[dtype](buffer.slice(start + begin, start + end));
    return [name, new ort.Tensor(dtype, data, shape)];
  }));
}

/** The bytes of a safetensors file of a state. */
export function writeState(state) {
  const header = {};
  let size = 0;
  for (const [name, { type, dims, data }] of Object.entries(state)) {
    const code = type === "bool" ? "BOOL" : type.replace(/^([a-z])[a-z]*/, (_, c) => c.toUpperCase());
    header[name] = { dtype: code, shape: dims, data_offsets: [size, (size += data.byteLength)] };
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const bytes = new Uint8Array(8 + text.length + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(new TextEncoder().encode(text), 8);
  for (const [name, { data }] of Object.entries(state)) {
    const place = 8 + text.length + header[name].data_offsets[0];
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), place);
  }
  return bytes;
}

/** A step with its state: `run({x, y})` feeds one batch, keeps the new state, gives the results. */
export class Step {
  constructor(ort, manifest, session, state) {
    Object.assign(this, { ort, manifest, session, state });
    this.scalars = Object.fromEntries(manifest.scalars.map(({ name, value }) => [name, Number(value)]));
  }

  async run(batch) {
    const feeds = { ...batch };
    for (const { name, dtype } of this.manifest.scalars) {
      const value = dtype.includes("int64") ? BigInt(this.scalars[name]) : this.scalars[name];
      feeds[name] = new this.ort.Tensor(dtype, ARRAYS[dtype].of(value), []);
    }
    for (const { name, input } of this.manifest.state) feeds[input] = this.state[name];
    const found = await this.session.run(feeds);
    for (const { name, output } of this.manifest.state) if (output) this.state[name] = found[output];
    return found;
  }
}
