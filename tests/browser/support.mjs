// What the journeys share: what was prepared for them, a person with a browser, and the look that every page has to stand.
//
// A journey is one file. It says what a person sees, by roles and names, and is walked in four ways: at a desk and on a phone,
// with scripts and without. What goes wrong beside it (a request to elsewhere, a word on the console) fails it at its end.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";

const resolve = createRequire(import.meta.url).resolve;
const AXE = readFileSync(resolve("axe-core/axe.min.js"), "utf8");
prepareZXingModule({ overrides: { wasmBinary: readFileSync(resolve("zxing-wasm/reader/zxing_reader.wasm")) } });

/** What the test in Rust has made ready; a path in it is relative to `folder`. */
export const prepared = JSON.parse(readFileSync(process.env.PREPARED, "utf8"));
mkdirSync(prepared.screenshots, { recursive: true });

/** WCAG 2.2, levels A and AA, and what is good beside. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** A name that only the browser resolves: over it a page is not in a secure context, as on many a local network. */
const LOCAL_NAME = "portal.test";
/** Whoever waits longer for a page gives it up. */
const PATIENCE_MS = 180_000;

const desk = { viewport: { width: 1280, height: 800 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const WAYS = [
  { name: "desk", hasScript: true, device: desk },
  { name: "desk-plain", hasScript: false, device: desk },
  { name: "phone", hasScript: true, device: phone, isByName: true },
  { name: "phone-plain", hasScript: false, device: phone, isByName: true },
];

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: prepared.chromium,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=MAP ${LOCAL_NAME} 127.0.0.1`,
    ],
  });
});
after(() => browser.close());

/** Walks a journey in every way that fits. Whoever signs in comes by an address at which browsers keep the cookie. */
export function journey(name, walk, { fits = () => true, signsIn = false } = {}) {
  for (const way of WAYS.filter(fits)) {
    test(`${name} (${way.name})`, async () => {
      const person = await Person.come({ ...way, isByName: way.isByName && !signsIn });
      try {
        await walk(person);
      } finally {
        await person.leave();
      }
      assert.deepEqual(person.faults, []);
    });
  }
}

/** Somebody with a browser. */
export class Person {
  static async come(way) {
    const base = new URL(prepared.url);
    if (way.isByName) base.hostname = LOCAL_NAME;
    const context = await browser.newContext({ ...way.device, javaScriptEnabled: way.hasScript });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Person(way, base.origin, context, await context.newPage());
  }

  constructor(way, origin, context, page) {
    Object.assign(this, { way, origin, context, page, faults: [], told: new Set() });
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== origin) this.faults.push(`a request to ${request.url()}`);
    });
    page.on("pageerror", (error) => this.faults.push(`the script failed: ${error}`));
    page.on("console", (message) => {
      // A browser notes every refusal that it shows.
      const isAnswer = message.text().startsWith("Failed to load resource: the server responded with a status of");
      const isThePage = isAnswer && message.location().url === page.url();
      if (["error", "warning"].includes(message.type()) && !isThePage) {
        this.faults.push(`on the console: ${message.text()} (${message.location().url})`);
      }
    });
  }

  async leave() {
    await this.context.close();
  }

  /** The files that were prepared for this way. */
  get own() {
    return prepared.ways[this.way.name];
  }

  async open(path = "/") {
    await this.page.goto(this.origin + path);
  }

  heading(name) {
    return this.page.getByRole("heading", { name, exact: true });
  }

  /** Sees that the page's first heading is this, and that the window says so too. */
  async sees(name) {
    await this.page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
    assert.equal(await this.page.getByRole("heading", { level: 1 }).count(), 1);
  }

  async reads(...texts) {
    for (const text of texts) {
      const found = this.page.getByRole("main").getByText(text).first();
      await found.waitFor();
    }
  }

  async presses(name) {
    await this.page.getByRole("button", { name, exact: true }).click();
  }

  /** Follows the first link of this name, on all of the page or within a part of it. */
  async follows(name, within = this.page) {
    await within.getByRole("link", { name, exact: true }).first().click();
  }

  /** Types a text into the field of this name, in the place of what stands there. */
  async fills(name, text, within = this.page) {
    await within.getByLabel(name, { exact: true }).fill(text);
  }

  async chooses(file) {
    await this.page.getByLabel("Choose the file", { exact: true }).setInputFiles(join(prepared.folder, file));
  }

  async pastes(text) {
    await this.page.getByLabel("Or paste its text form", { exact: true }).fill(text);
  }

  async drops(file) {
    const bytes = readFileSync(join(prepared.folder, file)).toString("base64");
    const carried = await this.page.evaluateHandle((bytes) => {
      const carried = new DataTransfer();
      carried.items.add(new File([Uint8Array.from(atob(bytes), (byte) => byte.charCodeAt(0))], "device.cfbundle"));
      return carried;
    }, bytes);
    const place = this.page.getByLabel("Choose the file", { exact: true });
    for (const type of ["dragover", "drop"]) await place.dispatchEvent(type, { dataTransfer: carried });
  }

  /** Presses a button that saves a file, and keeps it under `name`. */
  async saves(button, name) {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.presses(button)]);
    await download.saveAs(join(prepared.folder, name));
    return download.suggestedFilename();
  }

  keeps(name, text) {
    writeFileSync(join(prepared.folder, name), text);
  }

  /** The text that is taken to the device, which the picture and the button that copies it hold too. */
  async takesTheText(picturedAs = "QR code of the licence file’s text") {
    const box = this.page.getByRole("textbox", { name: "The same as text, to copy" });
    const text = await box.inputValue();
    const picture = await this.page.getByRole("img", { name: picturedAs }).screenshot();
    // In a picture full of bars a reader also finds other sorts of codes, by chance.
    const read = await readBarcodes(picture, { formats: ["QRCode"] });
    assert.deepEqual(read.map((code) => code.text), [text]);
    const button = this.page.getByRole("button", { name: "Copy the text" });
    if (!this.way.hasScript) {
      assert.equal(await button.isVisible(), false, "without a script it would do nothing");
      return text;
    }
    if (!this.way.isByName) {
      await this.context.grantPermissions(["clipboard-read", "clipboard-write"]);
      await button.click();
      await this.page.getByRole("status").getByText("Copied.").waitFor();
      assert.equal(await this.page.evaluate(() => navigator.clipboard.readText()), text);
    } else {
      // Where a browser does not let a page copy, the text is selected.
      await button.click();
      await this.page.getByRole("status").getByText("The text is selected").waitFor();
      assert.equal(await box.evaluate((box) => box.value.slice(box.selectionStart, box.selectionEnd)), text);
    }
    return text;
  }

  /** Looks at the page as all kinds of people do, and keeps pictures of it under `name`. */
  async looks(name) {
    const { page } = this;
    const size = page.viewportSize();
    const shoot = async (kind) => {
      const path = join(prepared.screenshots, `${name}-${this.way.name}-${kind}.png`);
      await page.screenshot({ path, fullPage: true });
    };
    // A judge of a page without scripts takes long, and the style is the same.
    for (const colorScheme of this.way.hasScript ? ["dark", "light"] : ["light"]) {
      await page.emulateMedia({ colorScheme });
      await shoot(colorScheme);
      await this.#judges(`${name}, ${colorScheme}`);
    }
    await this.#fits(name, { width: 320, height: 640 });
    // Twice as large on a desk's screen.
    await this.#fits(name, { width: 640, height: 400 });
    await page.evaluate(() => document.documentElement.style.setProperty("font-size", "200%"));
    await this.#fits(name, size);
    await page.evaluate(() => document.documentElement.style.removeProperty("font-size"));
    const onScreen = await page.evaluate(legible);
    // A sheet of A4 within its margins.
    await page.setViewportSize({ width: 718, height: 1000 });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    const onPaper = await page.evaluate(legible);
    const lost = onScreen.texts.filter((text) => !onPaper.texts.includes(text));
    assert.deepEqual({ lost, cut: onPaper.cut }, { lost: [], cut: [] }, `${name} on paper`);
    await shoot("print");
    await page.emulateMedia({ media: null, colorScheme: null });
    await page.setViewportSize(size);
  }

  async #fits(name, size) {
    await this.page.setViewportSize(size);
    const width = await this.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= size.width, `${name} is ${width} wide in ${size.width}`);
  }

  async #judges(name) {
    const found = this.way.hasScript ? await judge(this.page) : await this.#judgesTheSame();
    const violations = found.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(violations, [], name);
  }

  /** A judge is a script: the page is shown once more, with its own script left out, where scripts run. */
  async #judgesTheSame() {
    // A page that did not come from a server is not let to a local one by any other name.
    const url = new URL(new URL(this.page.url()).pathname, prepared.url).href;
    const html = await this.page.content();
    const context = await browser.newContext(this.way.device);
    try {
      const page = await context.newPage();
      await page.route(/\/assets\/portal-[^/]*\.js$/, (route) => route.fulfill({ body: "" }));
      await page.route(url, (route) => route.fulfill({ body: html, contentType: "text/html; charset=utf-8" }));
      await page.goto(url);
      return await judge(page);
    } finally {
      await context.close();
    }
  }
}

async function judge(page) {
  await page.evaluate(AXE);
  const judged = await page.evaluate((values) => axe.run({ runOnly: { type: "tag", values } }), RULES);
  assert.ok(judged.passes.length > 10, "it was judged");
  return judged.violations;
}

/** What can be read on the page but at its controls, and where a box cuts off what stands in it. Runs in the page. */
function legible() {
  const isShown = (element) => element.checkVisibility({ checkVisibilityCSS: true });
  const texts = new Set();
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const [text, parent] = [walker.currentNode.data.trim(), walker.currentNode.parentElement];
    const isOfForm = parent.closest("form") && !parent.closest("textarea[readonly]");
    if (text && !isOfForm && !parent.closest("a, button, summary, ol[aria-label=Steps]") && isShown(parent)) texts.add(text);
  }
  const boxes = [...document.querySelectorAll("main textarea[readonly], main pre, main dd, main td")].filter(isShown);
  const isCut = (box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1;
  const cut = boxes.filter((box) => box.clientWidth > 0 && isCut(box)).map((box) => box.outerHTML.slice(0, 80));
  return { texts: [...texts], cut };
}
