// The page: what its buttons do, and what it shows of the training, which runs in a worker (trainer.mjs).

import { Curves, smoothed } from "./curves.mjs";
import { Digits, percent } from "./digits.mjs";
import { Pad, paint } from "./drawing.mjs";
import { Scans } from "./scans.mjs";
import { forget, keep, kept } from "./storage.mjs";

const EPOCHS = 20; // of one press on Train
const PATIENCE = 5000; // milliseconds between two times that a training is kept
const RATES = [1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2];

const $ = (id) => document.getElementById(id);
const say = (text) => ($("status").textContent = text);
const worker = new Worker(new URL("trainer.mjs", import.meta.url), { type: "module" });
const asked = new Map();
let count = 0;
const short = (value) => value.toFixed(value === 0 ? 0 : value < 0.1 ? 3 : 2);

let info; // of the bundle
let scans;
let digits;
let guesses = []; // at the test digits
let training = false;
let steps = 0;
let run = newRun();
let keptAt = 0;
let drawn = false; // whether the next frame shows what is new

const curves = {
  loss: new Curves($("loss-curve"), { label: "Loss", format: short }),
  accuracy: new Curves($("accuracy-curve"), { label: "Accuracy", format: percent, top: 1 }),
};

/** What was measured until now: [step, value] each. */
function newRun() {
  return { loss: [], accuracy: [], test: [] };
}

/** Asks the worker; its errors are texts for people. */
function ask(command, options = {}) {
  const id = (count += 1);
  worker.postMessage({ id, command, ...options });
  return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
}

worker.onmessage = ({ data }) => {
  if (data.event) return events[data.event](data);
  const { resolve, reject } = asked.get(data.id);
  asked.delete(data.id);
  if (data.error === undefined) resolve(data.value);
  else reject(new Error(data.error));
};
worker.onerror = (event) => {
  event.preventDefault();
  fail(new Error(event.message || "The worker that trains (trainer.mjs) could not be loaded."));
};

const events = {
  progress({ points, milliseconds }) {
    for (const { step, loss, accuracy } of points) {
      run.loss.push([step, loss]);
      run.accuracy.push([step, accuracy]);
    }
    steps = points.at(-1).step;
    $("time").textContent = `${milliseconds.toFixed(1)} ms`;
    show();
    if (performance.now() - keptAt > PATIENCE) keepRun().catch(unkept);
  },

  tested({ step, accuracy, guesses: found }) {
    run.test = [...run.test.filter(([earlier]) => earlier < step), [step, accuracy]];
    guesses = found;
    digits?.show(guesses);
    show();
    pad.update();
  },

  paused({ done }) {
    setTraining(false);
    const what = done ? `${EPOCHS} epochs are done` : `Paused at step ${steps}`;
    keepRun().then(() => say(`${what}, and kept in this browser. Press Train to go on.`), unkept);
  },

  failed({ error }) {
    setTraining(false);
    fail(new Error(error));
  },
};

function fail(error) {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
  if (!info) say("");
}

const unkept = ({ message }) =>
  say(`This browser keeps nothing (${message}): save to a file instead.`);

function setTraining(value) {
  training = value;
  $("train").textContent = value ? "Pause" : "Train";
  for (const id of ["open", "reset"]) $(id).disabled = value;
}

/** Shows the numbers and the curves, once for each frame. */
function show() {
  if (drawn || !scans) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    const mean = smoothed(run.loss);
    $("loss").textContent = mean.length ? mean.at(-1)[1].toFixed(3) : "–";
    $("accuracy").textContent = run.test.length ? `${(run.test.at(-1)[1] * 100).toFixed(1)}%` : "–";
    $("step").textContent = steps;
    $("epoch").textContent = (steps / scans.stepsOfEpoch).toFixed(1);
    curves.loss.show([
      { kind: "raw", points: run.loss },
      { kind: "batch", name: "mean of some batches", points: mean, last: true },
    ]);
    curves.accuracy.show([
      { kind: "batch", name: "training", points: smoothed(run.accuracy), last: true },
      { kind: "test", name: "test", points: run.test, last: true },
    ]);
  });
}

/** Keeps state and curves in this browser. */
async function keepRun() {
  keptAt = performance.now();
  const { bytes, steps: at } = await ask("save");
  const upTo = (points) => points.filter(([step]) => step <= at);
  const curvesOfRun = Object.fromEntries(
    Object.entries(run).map(([name, points]) => [name, upTo(points)]),
  );
  await keep(info.key, { bytes, steps: at, rate: rate(), run: curvesOfRun });
}

/** Goes on from a state: that of a file, one that was kept, or the bundle's. */
async function restore(bytes, found = newRun()) {
  ({ steps } = await ask("restore", { bytes }));
  const { test } = run;
  run = found;
  run.test = [
    ...found.test.filter(([step]) => step < steps),
    ...test.filter(([step]) => step === steps).slice(-1),
  ];
  show();
}

const rate = () => RATES[$("rate").value];

/** Sets the slider to the nearest of its rates. */
function showRate(value) {
  const distances = RATES.map((one) => Math.abs(Math.log(one / value)));
  $("rate").value = distances.indexOf(Math.min(...distances));
}

async function setRate() {
  $("rate-shown").textContent = rate();
  $("rate").setAttribute("aria-valuetext", String(rate()));
  await ask("rate", { value: rate() });
}

/** Does what a button is for; errors are shown, and an older one disappears. */
const guarded =
  (action) =>
  async (...values) => {
    $("problem").hidden = true;
    try {
      await action(...values);
    } catch (error) {
      fail(error);
    }
  };

async function train() {
  if (training) return ask("pause");
  setTraining(true);
  say(`Training for ${EPOCHS} epochs …`);
  keptAt = performance.now();
  await ask("start", { until: steps + EPOCHS * scans.stepsOfEpoch });
}

async function reset() {
  await restore(null);
  showRate(info.rate);
  await setRate();
  $("time").textContent = "–";
  say("The network is as it was at first.");
  await forget(info.key).catch(() => {});
}

async function download() {
  const { bytes, steps: at } = await ask("save");
  const address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  Object.assign(document.createElement("a"), {
    href: address,
    download: `digits-step-${at}.safetensors`,
  }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  say(`Saved the state of step ${at}.`);
}

async function openFile() {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  try {
    await restore(new Uint8Array(await file.arrayBuffer()).buffer);
  } catch (error) {
    throw new Error(`${file.name} was not opened: ${error.message}.`);
  }
  say(`Opened ${file.name}, at step ${steps}. Press Train to go on from there.`);
  await keepRun().catch(unkept);
}

/** Asks for the drawing that is in the box now; what was drawn meanwhile is asked for when the answer is there. */
const guess = { pixels: null, busy: false };

async function showGuess(pixels) {
  Object.assign(guess, { pixels });
  paint($("seen"), pixels ?? new Uint8Array(64));
  if (!info || guess.busy) return;
  guess.busy = true;
  try {
    let answered;
    do {
      answered = guess.pixels;
      showBars(answered && (await ask("predict", { pixels: answered })));
    } while (answered !== guess.pixels);
  } catch (error) {
    fail(error);
  }
  guess.busy = false;
}

function showBars(found) {
  const best = found ? found.indexOf(Math.max(...found)) : -1;
  if ($("answer").textContent !== (found ? String(best) : "–"))
    $("answer").textContent = found ? best : "–";
  [...$("bars").children].forEach((row, digit) => {
    const share = found ? found[digit] : 0;
    row.classList.toggle("best", digit === best);
    row.querySelector(".bar span").style.width = `${share * 100}%`;
    row.querySelector(".share").textContent = found ? percent(share) : "";
  });
}

for (let digit = 0; digit < 10; digit++) {
  const row = document.createElement("li");
  row.innerHTML = `<span>${digit}</span><span class="bar"><span></span></span><span class="share"></span>`;
  $("bars").append(row);
}

const pad = new Pad($("pad"), showGuess);

function connect() {
  $("train").onclick = guarded(train);
  $("reset").onclick = guarded(reset);
  $("download").onclick = guarded(download);
  $("open").onclick = () => $("file").click();
  $("file").onchange = guarded(openFile);
  $("rate").oninput = guarded(setRate);
  $("mistakes").onchange = ({ target }) => ((digits.onlyMistakes = target.checked), digits.draw());
  $("clear").onclick = () => pad.clear();
  $("example").onclick = () =>
    pad.show(scans.image(scans.train + Math.floor(Math.random() * scans.test)));
  addEventListener(
    "visibilitychange",
    () => document.hidden && training && keepRun().catch(() => {}),
  );
}

async function open() {
  say("Loading onnxruntime-web and the bundle …");
  const { counts, bytes, ...found } = await ask("open");
  info = found;
  ({ steps } = info);
  scans = new Scans(counts, bytes);
  digits = new Digits($("digits"), $("tests-summary"), scans);
  digits.show(guesses);
  $("versions").textContent =
    `Bundle of nngraph ${info.nngraph}, ONNX opset ${info.opset}; trained by onnxruntime-web ${info.version} with WebAssembly.`;
  showRate(info.rate);
  await setRate();
  connect();
  for (const id of ["reset", "rate", "download", "open", "example"]) $(id).disabled = false;
  await resume();
  show();
  $("train").disabled = false;
}

/** Goes on from what this browser has kept. */
async function resume() {
  say(steps ? `Ready, at step ${steps}.` : "Ready. The network has seen no digit yet.");
  const record = await kept(info.key).catch(() => undefined);
  if (!record) return;
  try {
    await restore(record.bytes.buffer, record.run);
  } catch (error) {
    return fail(new Error(`What this browser had kept can't be read: ${error.message}.`));
  }
  showRate(record.rate);
  await setRate();
  say(`Resumed at step ${steps}, as this browser kept it. Press Train to go on.`);
}

guarded(open)();
