// Somebody in sales: issues a licence and changes it; suspends one, resumes it, and revokes one for good.

import assert from "node:assert/strict";
import { goesTo, part, signsIn, signsOut } from "./operator.mjs";
import { journey } from "./support.mjs";

/** On the page that says what it means, does it for this reason. */
async function doesIt(person, button, reason) {
  await person.fills("Why", reason);
  await person.presses(button);
}

journey(
  "a licence is issued, changed and revoked",
  async (person) => {
    const { page, way } = person;
    const customer = `Newcomer ${way.name}`;
    await signsIn(person);
    await goesTo(person, "Issue a licence");
    await person.looks("operator-issue");
    await page.getByLabel("Policy", { exact: true }).selectOption("standard");
    await person.fills("Customer", customer);
    await page.getByText("Its own terms").click();
    await person.fills("Max activations", "many");
    await person.presses("Issue it");
    await person.reads("request_invalid", "What to do:");
    const seats = page.getByLabel("Max activations", { exact: true });
    assert.equal(await seats.inputValue(), "many", "what was typed can be mended");
    await person.looks("operator-issue-refused");
    await seats.fill("7");
    // Pressed twice it is done once.
    await page.getByRole("button", { name: "Issue it", exact: true }).dblclick();
    await person.sees(`${customer}, studio: active`);
    await person.reads("The licence is issued.");
    await person.looks("operator-issued");
    const label = part(person, "What it grants").getByText("licence key", { exact: true });
    const key = await label.locator("xpath=following-sibling::dd[1]").innerText();
    assert.equal((await page.content()).split(key).length, 2, "the key stands there once");
    person.keeps(`${way.name}.key`, key);
    person.keeps(`${way.name}.license`, new URL(page.url()).pathname.split("/").at(-1));

    await person.follows("Change its terms");
    await person.sees("Change a licence’s terms");
    await person.looks("operator-change");
    await person.fills("Max activations", "9");
    await doesIt(person, "Change it", "order 4711");
    await person.sees(`${customer}, studio: active`);
    await person.reads("The licence is changed.", "order 4711");

    await person.follows("Revoke it");
    await person.sees("Revoke a licence");
    await person.reads("This cannot be undone.");
    await person.looks("operator-revoke");
    await doesIt(person, "Revoke it for good", "never paid");
    await person.sees(`${customer}, studio: revoked`);
    await person.reads("The licence is revoked.", "never paid");
    assert.equal(await page.getByRole("link", { name: "Resume it" }).count(), 0);
    await person.looks("operator-revoked");
    await signsOut(person);
  },
  { signsIn: true },
);

journey(
  "a licence is suspended, resumed, and suspended again",
  async (person) => {
    const { own } = person;
    const title = (standing) => `${own.customer}, studio: ${standing}`;
    await signsIn(person);
    await person.open(`/operator/licenses/${own.license}`);
    await person.follows("Suspend it");
    await person.sees("Suspend a licence");
    await person.looks("operator-suspend");
    await doesIt(person, "Suspend it", "invoice 7 is open");
    await person.sees(title("suspended"));
    await person.reads("The licence is suspended.", "invoice 7 is open");
    await person.looks("operator-suspended");
    await person.follows("Resume it");
    await person.sees("Resume a licence");
    await person.looks("operator-resume");
    await doesIt(person, "Resume it", "invoice 7 is paid");
    await person.sees(title("active"));
    await person.reads("The licence stands again.");
    await person.follows("Suspend it");
    await person.sees("Suspend a licence");
    await doesIt(person, "Suspend it", "invoice 8 is open");
    await person.sees(title("suspended"));
    await signsOut(person);
  },
  { signsIn: true },
);
