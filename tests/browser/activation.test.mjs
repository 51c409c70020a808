// An activation request: read in words, sent, and answered with the licence file.

import assert from "node:assert/strict";
import { journey, prepared } from "./support.mjs";
import { tellsTheSame } from "./reading.mjs";

journey("a device is activated by its request", async (person) => {
  const { page, way, own } = person;
  await person.open();
  await person.sees("Give a device’s file, take its licence file");
  await person.looks("first");
  if (way.name === "desk") {
    await person.drops(own.request.file);
  } else if (way.name === "phone") {
    await person.pastes(`Dear vendor,\n\nhere is our request:\n\n${own.request.text}\nRegards\n`);
  } else {
    await person.chooses(own.request.file);
  }
  await person.presses("Read the file");
  await person.sees("Activation request");
  await tellsTheSame(person, own.request);
  assert.ok(!(await page.content()).includes(prepared.key), "the secret part of a key never travels");
  await person.looks("request");

  await person.presses("Send it and take the answer");
  await person.sees("The licence is granted to this device.");
  await person.reads(own.request.chain, "studio (production)", "export", "render");
  await person.looks("granted");
  person.keeps(`${way.name}.txt`, await person.takesTheText());
  assert.equal(await person.saves("Save the licence file", `${way.name}.cfgrant`), "licence.cfgrant");
  await person.sees("The licence is granted to this device.");
});

journey("a file is chosen again after another one was", async (person) => {
  await person.open();
  await person.chooses("letter.txt");
  await person.presses("Read the file");
  await person.sees("Give a device’s file, take its licence file");
  await person.reads("unknown_file", "What to do:");
  const field = person.page.getByLabel("Choose the file", { exact: true });
  assert.match(await field.evaluate((field) => field.validationMessage + field.getAttribute("aria-describedby")), /file-trouble/);
  if (person.way.hasScript) assert.ok(await field.evaluate((field) => field === document.activeElement));
  await person.looks("file-refused");
  await person.chooses(person.own.request.file);
  await person.presses("Read the file");
  await person.sees("Activation request");
});
