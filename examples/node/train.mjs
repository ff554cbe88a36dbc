// Trains the bundle of a step on batches from a file, prints each loss, saves the state:
//   node train.mjs BUNDLE BATCHES.json STATE.safetensors
// BATCHES.json is a list of batches: {"x": {"dtype": "float32", "shape": [2, 3], "data": [...]}, ...}
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import {
  ARRAYS,
  Step,
  checkManifest,
  readState,
  stateRows,
  writeState,
} from "../browser/bundle.mjs";

const [folder, batches, saved] = process.argv.slice(2);
const manifest = checkManifest(JSON.parse(readFileSync(`${folder}/manifest.json`)));
const session = await ort.InferenceSession.create(`${folder}/${manifest.step}`);
const { buffer } = new Uint8Array(readFileSync(`${folder}/${manifest.state_file}`));
const step = new Step(ort, manifest, session, readState(ort, stateRows(manifest), buffer));

const tensor = ({ dtype, shape, data }) =>
  new ort.Tensor(dtype, ARRAYS[dtype].from(dtype === "int64" ? data.map(BigInt) : data), shape);
for (const batch of JSON.parse(readFileSync(batches))) {
  const feeds = Object.fromEntries(
    Object.entries(batch).map(([name, value]) => [name, tensor(value)]),
  );
  const found = await step.run(feeds);
  console.log(found[manifest.outputs[0].name].data[0]);
}
if (saved) writeFileSync(saved, writeState(step.state));
