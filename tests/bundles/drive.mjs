// Drives examples/browser in Chromium for test_browser.py:
//   node drive.mjs NODE_MODULES CHROMIUM WHAT URL FOLDER
// What was found is printed as JSON; screenshots and downloads go to the folder.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, executablePath, what, url, folder] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
const WAIT = { timeout: 60_000 };

const launch = () => chromium.launch({ executablePath, args: QUIET });
const text = (page, id) => page.textContent(`#${id}`);
const ready = (page) => page.waitForSelector("#train:enabled", WAIT);
const status = (page, begin) =>
  page.waitForFunction(
    (words) => document.getElementById("status").textContent.startsWith(words),
    begin,
    WAIT,
  );

async function numbers(page) {
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  const read = async (id) => Number.parseFloat(await text(page, id));
  return { step: await read("step"), loss: await read("loss"), accuracy: await read("accuracy") };
}

const shoot = (page, name) => page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });

/** A ring, drawn with the mouse. */
async function draw(page) {
  const { x, y, width, height } = await page.locator("#pad").boundingBox();
  const at = (turn) => [
    x + width * (0.5 + 0.2 * Math.sin(turn)),
    y + height * (0.5 - 0.3 * Math.cos(turn)),
  ];
  await page.mouse.move(...at(0));
  await page.mouse.down();
  for (let part = 1; part <= 24; part++) await page.mouse.move(...at((part / 24) * 2 * Math.PI));
  await page.mouse.up();
  await page.waitForFunction(
    () => document.getElementById("answer").textContent !== "–",
    null,
    WAIT,
  );
  return text(page, "answer");
}

/** A vertical line, drawn with the keyboard. */
async function type(page) {
  await page.click("#clear");
  await page.focus("#pad");
  await page.keyboard.press("Space");
  for (let part = 0; part < 10; part++) await page.keyboard.press("ArrowDown");
  await page.waitForFunction(
    () => document.getElementById("answer").textContent !== "–",
    null,
    WAIT,
  );
  return page.locator("#bars .share").allTextContents();
}

/** Trains for some steps; the longest time that the page did not answer meanwhile. */
async function train(page, until) {
  await page.evaluate(() => {
    let last = performance.now();
    window.longest = 0;
    requestAnimationFrame(function look(now) {
      [window.longest, last] = [Math.max(window.longest, now - last), now];
      requestAnimationFrame(look);
    });
  });
  await page.click("#train");
  await page.waitForFunction(
    () => Number(document.getElementById("step").textContent) > 2,
    null,
    WAIT,
  );
  const early = await numbers(page);
  await page.waitForFunction(
    (end) => Number(document.getElementById("step").textContent) >= end,
    until,
    WAIT,
  );
  await page.click("#train");
  await status(page, "Paused");
  return { early, late: await numbers(page), longest: await page.evaluate(() => window.longest) };
}

async function visit() {
  const browser = await launch();
  const page = await browser.newPage({ viewport: WIDE });
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  await ready(page);
  const found = { first: await numbers(page), ...(await train(page, 120)) };
  found.drawn = await draw(page);
  await shoot(page, "wide");
  await page.setViewportSize(NARROW);
  await shoot(page, "narrow");
  found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize(WIDE);
  await shoot(page, "dark");
  found.typed = await type(page);

  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  await download.saveAs(`${folder}/saved.safetensors`);
  await page.reload();
  await ready(page);
  found.resumed = { ...(await numbers(page)), status: await text(page, "status") };
  await page.click("#reset");
  await status(page, "The network is as it was");
  found.reset = await numbers(page);
  await page.setInputFiles("#file", `${folder}/saved.safetensors`);
  await status(page, "Opened saved");
  found.opened = await numbers(page);
  await page.setInputFiles("#file", `${folder}/python.safetensors`);
  await status(page, "Opened python");
  found.python = await numbers(page);
  await page.setInputFiles("#file", {
    name: "bad.safetensors",
    mimeType: "",
    buffer: Buffer.from("no tensors"),
  });
  await page.waitForSelector("#problem:visible", WAIT);
  found.refused = { ...(await numbers(page)), problem: await text(page, "problem") };
  await browser.close();
  return { ...found, complaints };
}

/** What the page says where something is missing. */
async function problems() {
  const found = {};
  const look = async (name, browser, pattern, answer) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    if (pattern) await context.route(pattern, answer);
    await page.goto(url);
    await page.waitForSelector("#problem:visible", WAIT);
    found[name] = await text(page, "problem");
    await context.close();
  };
  const missing = (route) => route.fulfill({ status: 404, body: "" });
  const browser = await launch();
  const manifest = await (await fetch(`${url}data/bundle/manifest.json`)).json();
  const newer = (route) => route.fulfill({ json: { ...manifest, version: 2 } });
  const other = (route) => route.fulfill({ json: { ...manifest, inputs: [] } });
  await look("bundle", browser, "**/manifest.json", missing);
  await look("version", browser, "**/manifest.json", newer);
  await look("network", browser, "**/manifest.json", other);
  await look("damaged", browser, "**/manifest.json", (route) => route.fulfill({ body: "{" }));
  await look("scans", browser, "**/scans.bin", missing);
  await look("runtime", browser, "**/ort.wasm.min.mjs", missing);
  await look("kernels", browser, "**/*.wasm", missing);
  await look("worker", browser, "**/trainer.mjs", missing);
  await look("wasm", browser, "**/trainer.mjs", async (route) => {
    const response = await route.fetch();
    const body = `delete globalThis.WebAssembly;${await response.text()}`;
    await route.fulfill({ response, body });
  });
  await browser.close();
  return found;
}

/** The losses of the batches in batches.json, by onnxruntime-web. */
async function losses() {
  const batches = JSON.parse(readFileSync(`${folder}/batches.json`));
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${url}data/scans.json`);
  const found = await page.evaluate(async (given) => {
    const ort = await import("/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
    const { ARRAYS, Step, readState } = await import("/bundle.mjs");
    const bundle = (file) => fetch(`/data/bundle/${file}`);
    const manifest = await (await bundle("manifest.json")).json();
    ort.env.wasm.numThreads = 1;
    const model = new Uint8Array(await (await bundle(manifest.step)).arrayBuffer());
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const first = await (await bundle(manifest.state_file)).arrayBuffer();
    const step = new Step(ort, manifest, session, readState(ort, manifest.state, first));
    const tensor = ({ dtype, shape, data }) =>
      new ort.Tensor(dtype, ARRAYS[dtype].from(dtype === "int64" ? data.map(BigInt) : data), shape);
    const made = [];
    for (const batch of given) {
      const feeds = Object.fromEntries(
        Object.entries(batch).map(([name, value]) => [name, tensor(value)]),
      );
      made.push((await step.run(feeds))[manifest.outputs[0].name].data[0]);
    }
    return made;
  }, batches);
  await browser.close();
  return found;
}

console.log(JSON.stringify(await { visit, problems, losses }[what]()));
