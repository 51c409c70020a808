// Usage reports and deactivation files, and what is answered where a device cannot have what it asks for.

import assert from "node:assert/strict";
import { journey, prepared } from "./support.mjs";
import { tellsTheSame } from "./reading.mjs";

const save = (person, name) => person.saves("Save the licence file", `${person.way.name}-${name}.cfgrant`);

journey("a device reports what it used", async (person) => {
  await person.open();
  await person.chooses(person.own.usage.file);
  await person.presses("Read the file");
  await person.sees("Usage report");
  await tellsTheSame(person, person.own.usage);
  const table = person.page.getByRole("table", { name: "Use of metered features" });
  assert.equal(await table.getByRole("rowheader", { name: "render" }).count(), 1);
  await person.looks("usage");
  await person.presses("Send it and take the answer");
  await person.sees("The licence is granted to this device.");
  await save(person, "usage");
});

journey("a device gives its seat back", async (person) => {
  await person.open();
  await person.chooses(person.own.deactivation.file);
  await person.presses("Read the file");
  await person.sees("Deactivation file");
  await tellsTheSame(person, person.own.deactivation);
  await person.looks("deactivation");
  await person.presses("Send it and take the answer");
  await person.sees("This device holds no seat any more.");
  await person.looks("released");
  await save(person, "deactivation");
});

journey("who finds all seats taken learns why and what to do", async (person) => {
  await person.open();
  await person.chooses(person.own.denied.file);
  await person.presses("Read the file");
  await person.sees("Activation request");
  await person.presses("Send it and take the answer");
  await person.sees("The activation is denied.");
  await person.reads("no_seat_free", "What to do:", "Deactivate a device that is no longer used");
  await person.looks("denied");
  await save(person, "denied");
});

journey("a file of several devices is answered for each", async (person) => {
  await person.open();
  await person.chooses("several.cfbundle");
  await person.presses("Read the file");
  await person.reads("Device 1", "Device 2");
  await person.looks("several");
  await person.presses("Send it and take the answer");
  await person.sees("1 of 2 devices have their licence.");
  await person.reads("no_seat_free");
  await person.looks("several-answered");
});

journey("a large file is given once more", async (person) => {
  await person.open();
  await person.chooses("large.cfbundle");
  await person.presses("Read the file");
  await person.sees("Activation request");
  await person.reads("A page does not carry a file of this size");
  await person.looks("large");
  await person.chooses("large.cfbundle");
  await person.presses("Send it and take the answer");
  await person.sees("The licence is granted to this device.");
});

journey("what is no page says so", async (person) => {
  await person.open("/nowhere");
  await person.sees("This was not done");
  await person.reads("route_unknown");
  await person.looks("nowhere");
  await person.page.getByRole("link", { name: "To the portal’s first page" }).click();
  await person.sees("Give a device’s file, take its licence file");
  assert.equal(new URL(person.page.url()).origin, person.origin);
});
