// The worker that trains: the page stays free. Each message {id, command, ...} is answered by {id, value} or {id, error};
// progress and tests are told without being asked.

import { Model, Step, checkManifest, readState, stateRows, writeState } from "./bundle.mjs";
import { Scans, imagesOf, probabilities } from "./scans.mjs";

const RUNTIME = "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
const BUNDLE = "data/bundle";
const PREPARE = "run “python examples/digits_in_browser.py”, then load this page again.";
const TURN = 30; // milliseconds of training between two looks at what the page asks for

let ort, manifest, rows, first, step, model, scans;
let steps = 0;
let training = false;
let turn = Promise.resolve();

const commands = {
  /** Loads everything; says what there is. */
  async open() {
    if (typeof WebAssembly !== "object")
      throw new Error(
        "This browser has no WebAssembly, or it is switched off. The page needs it to train.",
      );
    manifest = await readManifest();
    ort = await runtime();
    rows = stateRows(manifest);
    first = await (await fetched(`${BUNDLE}/${manifest.state_file}`)).arrayBuffer();
    const counts = await (await fetched("data/scans.json")).json();
    const bytes = new Uint8Array(await (await fetched("data/scans.bin")).arrayBuffer());
    scans = new Scans(counts, bytes);
    const file = Object.keys(manifest.models)[0];
    const [session, reader] = [await load(manifest.step), await load(file)];
    step = new Step(ort, manifest, session, {});
    take(first);
    model = new Model(manifest, file, reader, step);
    await test();
    const version = ort.env.versions.web ?? ort.env.versions.common;
    const { nngraph, opset, files } = manifest;
    const key = files[manifest.step].sha256 + files[manifest.state_file].sha256;
    return { counts, bytes, key, steps, rate: step.scalars.lr, nngraph, opset, version };
  },

  /** Trains until that many steps are done, or until it is told to pause. */
  start({ until }) {
    if (!training) train(until);
  },

  pause() {
    training = false;
  },

  rate({ value }) {
    step.scalars.lr = value;
  },

  /** The state as a safetensors file. */
  save() {
    const state = Object.fromEntries(rows.map(({ name }) => [name, step.state[name]]));
    return { bytes: writeState(state), steps };
  },

  /** Goes on from a state that any host has saved; without bytes, from that of the bundle. */
  async restore({ bytes }) {
    training = false;
    take(bytes ?? first);
    await test();
    return { steps };
  },

  /** The probabilities of the ten digits for one image. */
  async predict({ pixels }) {
    return probabilities(await logits(imagesOf(ort, pixels, scans.size)));
  },
};

onmessage = ({ data: { id, command, ...options } }) =>
  exclusively(() => commands[command](options)).then(
    (value) => postMessage({ id, value }),
    (error) => postMessage({ id, error: error.message }),
  );

/** Takes a state, and from it how many steps it has behind it: the optimizer counts them. */
function take(bytes) {
  step.state = readState(ort, rows, bytes);
  steps = step.state["optimizer.step"].data[0];
}

/** One thing at a time on the sessions: in the order of asking. */
function exclusively(job) {
  const done = turn.then(job);
  turn = done.catch(() => {});
  return done;
}

async function train(until) {
  training = true;
  try {
    while (training && steps < until) {
      await exclusively(() => trainForATurn(until));
      await breath();
    }
    if (steps % scans.stepsOfEpoch) await exclusively(test);
    postMessage({ event: "paused", done: steps >= until });
  } catch (error) {
    postMessage({ event: "failed", error: `Training stopped: ${error.message}` });
  }
  training = false;
}

async function trainForATurn(until) {
  const begin = performance.now();
  const points = [];
  while (training && steps < until && performance.now() - begin < TURN) {
    const found = await step.run(scans.feeds(ort, scans.rowsOf(steps)));
    steps += 1;
    points.push({ step: steps, loss: found.loss.data[0], accuracy: found.accuracy.data[0] });
    if (steps % scans.stepsOfEpoch === 0) await test();
  }
  if (points.length)
    postMessage({
      event: "progress",
      points,
      milliseconds: (performance.now() - begin) / points.length,
    });
}

/** What the model makes of the scans that training never sees. */
async function test() {
  const chosen = scans.rowsOfTest();
  const { x } = scans.feeds(ort, chosen);
  const found = probabilities(await logits(x));
  const guesses = Array.from(chosen, (row, place) => {
    const ten = found.subarray(place * 10, place * 10 + 10);
    const digit = ten.indexOf(Math.max(...ten));
    return { row, digit, probability: ten[digit], label: scans.labels[row] };
  });
  const accuracy = guesses.filter(({ digit, label }) => digit === label).length / guesses.length;
  postMessage({ event: "tested", step: steps, accuracy, guesses });
}

async function logits(images) {
  const [name] = model.session.inputNames;
  return Object.values(await model.run({ [name]: images }))[0].data;
}

/** Lets what the page has sent come in. */
function breath() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => (port1.close(), resolve());
    port2.postMessage(null);
  });
}

async function readManifest() {
  const text = await (await fetched(`${BUNDLE}/manifest.json`)).text();
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error(`data/bundle/manifest.json is damaged: ${PREPARE}`);
  }
  try {
    checkManifest(found);
  } catch (error) {
    throw new Error(`The bundle can't be read: ${error.message}. To make it anew, ${PREPARE}`);
  }
  const has = (rows, ...names) => names.every((name) => rows.some((row) => row.name === name));
  if (
    has(found.inputs, "x", "y") &&
    has(found.outputs, "loss", "accuracy") &&
    has(found.scalars, "lr") &&
    has(found.state, "optimizer.step")
  )
    return found;
  throw new Error(
    `The bundle in data/bundle is not that of the digits, but of “${found.name}”: ${PREPARE}`,
  );
}

async function fetched(path) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error(
      "The server doesn't answer. Is “nngraph serve examples/browser” still running?",
    );
  }
  if (!response.ok) throw new Error(`There is no ${path} to train: ${PREPARE}`);
  return response;
}

async function runtime() {
  let found;
  try {
    found = await import(RUNTIME);
  } catch {
    throw new Error(
      "onnxruntime-web is not there: run “npm install” in examples/browser, then load this page again.",
    );
  }
  found.env.wasm.numThreads = 1; // of a step of a millisecond, threads take more than they give
  return found;
}

async function load(file) {
  const bytes = new Uint8Array(await (await fetched(`${BUNDLE}/${file}`)).arrayBuffer());
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  } catch (error) {
    throw new Error(`onnxruntime-web can't load ${file}: ${error.message}`);
  }
}
