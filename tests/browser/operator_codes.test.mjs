// Somebody at the vendor's telephone: answers the code of a device that no file reaches.

import assert from "node:assert/strict";
import { goesTo, signsIn, signsOut } from "./operator.mjs";
import { journey } from "./support.mjs";

const CODE = "The code that the device shows";
const KEY = "Licence key, only for a request code";

journey(
  "a code is answered at the telephone",
  async (person) => {
    const { page, own, way } = person;
    await signsIn(person);
    await goesTo(person, "Answer a code");
    await person.looks("operator-code");
    await person.fills(CODE, own.request);
    await person.fills(KEY, own.key);
    await page.getByText("Its own terms").click();
    await person.fills("Days of validity", "many");
    await person.presses("Answer it");
    await person.sees("Answer a code");
    await person.reads("request_invalid", "What to do:");
    assert.equal(await page.getByLabel(CODE, { exact: true }).inputValue(), own.request, "what was typed can be mended");
    assert.ok(!(await page.content()).includes(own.key), "a key is not repeated");
    await person.looks("operator-code-refused");
    await person.fills("Days of validity", "90");
    await person.fills(KEY, own.key);
    await person.presses("Answer it");
    await person.sees("The licence is granted to this device");
    await person.looks("operator-code-answered");
    person.keeps(`${way.name}.unlock`, await person.takesTheText("QR code of the unlock code"));
    await person.follows("To the licence");
    await person.follows("Answer a device’s code");
    await person.sees("Answer a code");
    await signsOut(person);
  },
  { signsIn: true },
);
