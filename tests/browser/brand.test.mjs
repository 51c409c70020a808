// The vendor's name, picture and colour are on every page, and what stands on a light colour can be read.

import assert from "node:assert/strict";
import { journey } from "./support.mjs";

journey("a licence that the vendor does not know is told under the vendor's name", async (person) => {
  const { page } = person;
  const isNamed = async () => {
    assert.ok((await page.title()).endsWith("ACME Software"));
    const name = page.getByRole("banner").getByRole("link", { name: "ACME Software", exact: true });
    const picture = await name.locator("img").evaluate((picture) => picture.naturalWidth);
    assert.ok(picture > 0, "the picture is shown");
  };
  await person.open();
  await isNamed();
  await person.looks("branded-first");
  await person.chooses("stranger.cfbundle");
  await person.presses("Read the file");
  await person.sees("Activation request");
  await isNamed();
  await person.presses("Send it and take the answer");
  await person.sees("Your vendor has no licence for this device.");
  await person.reads("license_unknown", "What to do:", "Check the licence key");
  await isNamed();
  await person.looks("branded-notice");
  await person.takesTheText();
});
