// Opens a page of `nngraph view` in Chromium, finds its way about in it, and prints what it met.
import { createRequire } from "node:module";

const [modules, executablePath, address, out] = process.argv.slice(2);
const { chromium } = createRequire(modules)("playwright-core");
const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const browser = await chromium.launch({ executablePath, args });
const found = { complaints: [], requests: [] };
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
page.on("pageerror", (error) => found.complaints.push(error.message));
page.on("console", (line) => line.type() === "error" && found.complaints.push(line.text()));
page.on("request", (request) => found.requests.push(request.url()));
const start = Date.now();
await page.goto(address);
await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
found.milliseconds = Date.now() - start;
await page.screenshot({ path: `${out}/wide.png` });

const rows = page.locator("#list .row");
const texts = async () => (await rows.locator(".name").allTextContents());
found.groups = await texts();
const first = rows.filter({ hasText: "0" }).first();
await first.click();
found.opened = await first.getAttribute("aria-expanded");
found.details = await page.locator("#details").innerText();

await page.keyboard.press("/");
await page.keyboard.type("update weight sqrt");
found.hits = await texts();
await rows.first().click();
found.node = await page.locator("#details").innerText();
await page.fill("#search", "nothing that is there");
found.nothing = await texts();
await page.fill("#search", "");
await page.selectOption("#shade", "flops");
await page.click("#fold");
found.folded = await texts();

await page.setViewportSize({ width: 400, height: 800 });
await page.click("#fit");
await page.screenshot({ path: `${out}/narrow.png` });
found.sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
await browser.close();
console.log(JSON.stringify(found));
