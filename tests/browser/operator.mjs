// What the operators' journeys share: signing in and out, and the way from page to page.

import assert from "node:assert/strict";
import { prepared } from "./support.mjs";

/** Signs in; where `twice`, first with a token that is none. */
export async function signsIn(person, twice = false) {
  await person.open("/operator");
  await person.sees("Sign in");
  if (twice) {
    await person.looks("operator-door");
    await person.fills("Your token", "cft_nonsense");
    await person.presses("Sign in");
    await person.reads("unauthorized", "What to do:", "Check that you pasted the whole token");
    const field = person.page.getByLabel("Your token", { exact: true });
    assert.equal(await field.inputValue(), "", "a token is not repeated");
    if (person.way.hasScript) assert.ok(await field.evaluate((field) => field === document.activeElement));
    await person.looks("operator-door-refused");
  }
  await person.fills("Your token", prepared.token);
  await person.presses("Sign in");
  await person.sees("Licences");
  assert.ok(!(await person.page.content()).includes(prepared.token), "a token stands on no page");
}

/** Signs out: what was begun is over. */
export async function signsOut(person) {
  await person.presses("Sign out");
  await person.sees("Sign in");
  await person.open("/operator");
  await person.sees("Sign in");
}

/** Goes to one of the pages that every page names. */
export async function goesTo(person, name) {
  await person.follows(name, person.page.getByRole("navigation", { name: "Pages" }));
  await person.sees(name);
}

/** A part of the page by its heading. */
export const part = (person, name) => person.page.getByRole("region", { name, exact: true });
