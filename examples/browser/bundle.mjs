// A bundle of ng.export, run by onnxruntime-node or onnxruntime-web: docs/bundles.md says what is in it.

const VERSION = 1;

export const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  float16: Uint16Array,
  bool: Uint8Array,
};

/** The manifest, if it is one of a version that is known here; otherwise an error that says what to do. */
export function checkManifest(manifest) {
  if (manifest?.format !== "nngraph bundle")
    throw new Error("manifest.json is not that of an nngraph bundle");
  if (!Number.isInteger(manifest.version) || manifest.version > VERSION || manifest.version < 1)
    throw new Error(
      `the bundle is of version ${manifest.version}, and this program reads version ${VERSION}: ` +
        "export it again with the nngraph that this program comes with, or take a newer program",
    );
  return manifest;
}

/** What the step and the models read from the state file: name, dtype and shape of each tensor. */
export function stateRows(manifest) {
  const rows = [
    ...manifest.state,
    ...Object.values(manifest.models).flatMap((model) => model.state),
  ];
  return [...new Map(rows.map((row) => [row.name, row])).values()];
}

/** The tensors of a safetensors file, each as onnxruntime's; an error names what is missing or of another kind. */
export function readState(ort, rows, buffer) {
  const { header, start } = readHeader(buffer);
  return Object.fromEntries(
    rows.map(({ name, dtype, shape }) => {
      const found = Object.hasOwn(header, name) ? header[name] : null;
      if (!found)
        throw new Error(`the file has no tensor ${name}: it is the state of another network`);
      const [begin, end] = found.data_offsets;
      if (found.dtype !== code(dtype) || String(found.shape) !== String(shape))
        throw new Error(
          `${name} is ${found.dtype} [${found.shape}] in the file, and ${code(dtype)} [${shape}] in the bundle`,
        );
      const count = shape.reduce((product, size) => product * size, 1);
      if (
        start + end > buffer.byteLength ||
        end - begin !== count * ARRAYS[dtype].BYTES_PER_ELEMENT
      )
        throw new Error(`the file is damaged: the bytes of ${name} are not there`);
      return [
        name,
        new ort.Tensor(dtype, new ARRAYS[dtype](buffer.slice(start + begin, start + end)), shape),
      ];
    }),
  );
}

function readHeader(buffer) {
  try {
    const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
    if (header instanceof Object) return { header, start };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
  }
  throw new Error("it is not a whole safetensors file");
}

/** The bytes of a safetensors file of a state. */
export function writeState(state) {
  const header = {};
  let size = 0;
  for (const [name, { type, dims, data }] of Object.entries(state))
    header[name] = {
      dtype: code(type),
      shape: dims,
      data_offsets: [size, (size += data.byteLength)],
    };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(start + size).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  for (const [name, { data }] of Object.entries(state))
    bytes.set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      start + header[name].data_offsets[0],
    );
  return bytes;
}

/** safetensors' name of an element type: F32, I64, U8, BOOL. */
const code = (dtype) =>
  dtype === "bool" ? "BOOL" : dtype.replace(/^([a-z])[a-z]*/, (_, letter) => letter.toUpperCase());

/** A step with its state: `run({x, y})` feeds one batch, keeps the new state, gives the results. */
export class Step {
  constructor(ort, manifest, session, state) {
    Object.assign(this, { ort, manifest, session, state });
    this.scalars = Object.fromEntries(
      manifest.scalars.map(({ name, value }) => [name, Number(value)]),
    );
  }

  async run(batch) {
    const feeds = { ...batch };
    for (const { name, dtype } of this.manifest.scalars) {
      const value = dtype.includes("int64") ? BigInt(this.scalars[name]) : this.scalars[name];
      feeds[name] = new this.ort.Tensor(dtype, ARRAYS[dtype].of(value), []);
    }
    for (const { name, input } of this.manifest.state) feeds[input] = this.state[name];
    const found = await this.session.run(feeds);
    for (const { name, output } of this.manifest.state)
      if (output) this.state[name] = found[output];
    return found;
  }
}

/** A model of the bundle, which reads the state that the step trains. */
export class Model {
  constructor(manifest, file, session, step) {
    Object.assign(this, { rows: manifest.models[file].state, session, step });
  }

  run(inputs) {
    const weights = this.rows.map(({ name, input }) => [input, this.step.state[name]]);
    return this.session.run({ ...inputs, ...Object.fromEntries(weights) });
  }
}
