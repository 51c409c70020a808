// A device that is known gets new deadlines, and whoever has the licence key sees the seats.

import assert from "node:assert/strict";
import { journey, prepared } from "./support.mjs";

const FIRST = "Give a device’s file, take its licence file";

journey("a device is refreshed by its reference, and by its request again", async (person) => {
  const { page, way, own } = person;
  await person.open();
  const reference = page.getByLabel("The device’s chain reference", { exact: true });
  await reference.fill(own.chain.slice(0, 12));
  await person.presses("Refresh the device");
  await person.sees(FIRST);
  await person.reads("chain_unknown", "What to do:");
  assert.equal(await reference.inputValue(), own.chain.slice(0, 12), "what was typed can be mended");
  if (way.hasScript) assert.ok(await reference.evaluate((field) => field === document.activeElement));
  await person.looks("chain-refused");

  await reference.fill(own.chain.toUpperCase());
  await person.presses("Refresh the device");
  await person.sees("The licence is granted to this device.");
  await person.reads(own.chain);
  await person.saves("Save the licence file", `${way.name}-first.cfgrant`);
  await person.presses("Refresh this device: new deadlines");
  await person.sees("The licence is granted to this device.");
  await person.saves("Save the licence file", `${way.name}-second.cfgrant`);

  await page.getByRole("link", { name: "Give another file" }).click();
  await person.chooses(own.request.file);
  await person.presses("Read the file");
  await person.presses("Send it and take the answer");
  await person.sees("The licence is granted to this device.");
  await person.saves("Save the licence file", `${way.name}-again.cfgrant`);
});

journey("the seats in use are seen with the licence key", async (person) => {
  const { page } = person;
  await person.open();
  const key = page.getByLabel("The licence key", { exact: true });
  await key.fill(prepared.key.slice(0, -1));
  await person.presses("Show the seats");
  await person.sees(FIRST);
  await person.reads("license_key_mistyped");
  await person.looks("key-refused");
  assert.equal(await key.inputValue(), "", "a key is not repeated");

  await key.fill(prepared.key.toLowerCase().replaceAll("-", " "));
  await person.presses("Show the seats");
  await person.sees(`Seats: ${prepared.chains.length} of 20 in use`);
  await person.reads(...prepared.chains);
  assert.ok(!(await page.content()).includes(prepared.key));
  await person.looks("seats");
});
