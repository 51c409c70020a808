// A device from which no file may come: its code is typed on the portal, and the unlock code is taken back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { journey, prepared } from "./support.mjs";

const FIRST = "Give a device’s file, take its licence file";
const GRANTED = "The licence is granted to this device";
const PICTURED = "QR code of the unlock code";

/** The code with another symbol in one of its groups, counted from 1. */
function mistyped(code, number) {
  const groups = code.split("-");
  const other = groups[number - 1].startsWith("A") ? "B" : "A";
  groups[number - 1] = other + groups[number - 1].slice(1);
  return groups.join("-");
}

const code = (page) => page.getByLabel("The code that the device shows", { exact: true });
const key = (page) => page.getByLabel("Licence key, only for a request code", { exact: true });
const live = (page) => page.getByRole("region", { name: "A code that a device shows" }).getByRole("status");

journey("a code is typed, mended and answered", async (person) => {
  const { page, way, own } = person;
  await person.open();
  const typed = mistyped(own.request, 3).toLowerCase();
  await code(page).pressSequentially(`${typed.slice(0, 30)}\n${typed.slice(30)}`);
  const stands = await code(page).inputValue();
  if (way.hasScript) {
    await live(page).getByText("Group 3 is wrong. The others stand.", { exact: true }).waitFor();
    assert.equal(await code(page).getAttribute("aria-invalid"), "true");
    await person.looks("code-typed");
  }
  await key(page).fill(own.key);
  await person.presses("Read the code");
  await person.sees(FIRST);
  await person.reads("code_group_wrong", "group 3 ", "What to do:");
  assert.equal(await code(page).inputValue(), stands, "all of it stands there as it was typed");
  assert.ok(!(await page.content()).includes(own.key), "a key is not repeated");
  if (way.hasScript) assert.ok(await code(page).evaluate((field) => field === document.activeElement));
  await person.looks("code-refused");

  await code(page).fill(own.request.toLowerCase());
  if (way.hasScript) await live(page).getByText("All 14 groups are right.", { exact: true }).waitFor();
  await key(page).fill(own.key.toLowerCase());
  await person.presses("Read the code");
  await person.sees("Request code");
  await person.reads("Nothing has been sent yet.", own.chain.slice(0, 12));
  await person.looks("code-read");
  await person.presses("Send it and take the unlock code");
  await person.sees(GRANTED);
  await person.looks("code-answered");
  const text = await person.takesTheText(PICTURED);
  const lines = page.getByRole("list", { name: "Unlock code, five groups to a line" }).getByRole("listitem");
  const groups = (await lines.allInnerTexts()).map((line) => line.split(/\s+/).filter(Boolean));
  assert.deepEqual(groups.map(([first]) => Number(first)), groups.map((_, place) => 5 * place + 1));
  assert.deepEqual(groups.flatMap(([, ...line]) => line), text.split("-"));
  person.keeps(`${way.name}.unlock`, text);
  await page.getByRole("img", { name: PICTURED }).screenshot({ path: join(prepared.folder, `${way.name}-unlock.png`) });
});

journey("a return code is answered without a key", async (person) => {
  const { page, way, own } = person;
  await person.open();
  await code(page).fill(own.returned.replaceAll("-", " "));
  await person.presses("Read the code");
  await person.sees("Return code");
  await person.reads("goes on");
  await person.presses("Send it and take the unlock code");
  await person.sees(GRANTED);
  assert.match(await page.getByRole("table", { name: "What the device told of its use" }).innerText(), /render\s+\S+\s+7/);
  await person.looks("code-returned");
  person.keeps(`${way.name}-returned.unlock`, await person.takesTheText(PICTURED));
});

journey(
  "groups are named as the specification's vectors say",
  async (person) => {
    const { page } = person;
    await person.open();
    for (const { name, typed, groups } of prepared.vectors) {
      await code(page).fill("");
      await code(page).fill(typed);
      await key(page).focus();
      assert.equal(await code(page).evaluate((field) => field.value.replaceAll("\n", "")), typed.replaceAll(/\r?\n/g, ""), name);
      const told = await live(page).innerText();
      const named = told.match(/^Groups? (.*) (?:is|are) wrong/)?.[1].split(/, | and /).map(Number) ?? [];
      assert.deepEqual(named, groups, `${name}: ${told}`);
    }
  },
  { fits: (way) => way.name === "desk" },
);
