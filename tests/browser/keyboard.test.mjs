// The whole way with a keyboard alone: what is reached by Tab is seen to be reached, and Enter does it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { journey, prepared } from "./support.mjs";

const STEPS = 60;

/** Goes on by Tab to what has this role and name; each stop on the way shows that it has the focus. */
async function tabTo(page, role, name) {
  const wanted = page.getByRole(role, { name, exact: true });
  await wanted.waitFor();
  for (let step = 0; step < STEPS; step += 1) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return outlineStyle === "none" ? 0 : parseFloat(outlineWidth);
    });
    assert.ok(outline >= 2, "the focus is seen");
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail(`no Tab leads to ${name}`);
}

const isAtDesk = (way) => way.name.startsWith("desk");

journey(
  "a request is answered by keyboard",
  async (person) => {
    const { page, own, way } = person;
    await person.open();
    await tabTo(page, "link", "Skip to the content");
    await page.keyboard.press("Enter");
    await tabTo(page, "textbox", "Or paste its text form");
    await page.keyboard.insertText(own.request.text);
    await tabTo(page, "button", "Read the file");
    await page.keyboard.press("Enter");
    await person.sees("Activation request");
    await tabTo(page, "button", "Send it and take the answer");
    await page.keyboard.press("Enter");
    await person.sees("The licence is granted to this device.");
    await tabTo(page, "textbox", "The same as text, to copy");
    await page.keyboard.press("Control+A");
    const text = await page.evaluate(() => {
      const box = document.activeElement;
      return box.value.slice(box.selectionStart, box.selectionEnd);
    });
    await page.keyboard.press("Shift+Tab");
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    const path = join(prepared.folder, `${way.name}.cfgrant`);
    await download.saveAs(path);
    assert.ok(readFileSync(path).length > 0);
    person.keeps(`${way.name}.txt`, text);
  },
  { fits: isAtDesk },
);
