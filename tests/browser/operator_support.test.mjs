// Somebody in support: finds a licence, reads what happened to it, takes a seat back, and looks at what waits.

import assert from "node:assert/strict";
import { join } from "node:path";
import { goesTo, part, signsIn, signsOut } from "./operator.mjs";
import { journey, prepared } from "./support.mjs";

const REFUSED_LICENCE = "0192f0c1-7c3e-7d4a-9b3e-5f1d2c3b4a59";

journey(
  "a licence is found, read event by event, and a seat is taken back",
  async (person) => {
    const { page, own } = person;
    await signsIn(person, true);
    await person.looks("operator-licences");
    const title = `${own.customer}, studio: active`;

    // By its customer, by its key, by a device; and one that there is not.
    const filter = part(person, "Filter them");
    await person.fills("Customer", own.customer, filter);
    await person.presses("Show them");
    const list = page.getByRole("table", { name: "Licences" });
    await list.getByText(own.customer).waitFor();
    assert.equal(await list.getByRole("row").count(), 2, "a heading and the one licence");
    await person.follows(own.license, list);
    await person.sees(title);
    const finds = async (what) => {
      await goesTo(person, "Licences");
      await person.fills("Licence", what, part(person, "Find one"));
      await person.presses("Find it");
    };
    await finds(own.key.toLowerCase());
    await person.sees(title);
    await finds(REFUSED_LICENCE);
    await person.reads("license_not_found", "What to do:");
    await person.looks("operator-not-found");
    await finds(own.chain.slice(0, 12));
    await person.sees(title);

    // What it grants, how much is used, and who has it.
    await part(person, "What it grants").getByText("Its conditions").click();
    await person.reads(own.license, own.key, "export");
    await page.getByRole("img", { name: /^120 used and \d+ held of 1000000$/ }).waitFor();
    const devices = part(person, "Devices");
    assert.equal(await devices.getByRole("row").count(), 2);
    await person.looks("operator-licence");

    // The event behind a line, and those beside it.
    const timeline = part(person, "What happened");
    await person.follows("activation.requested", timeline);
    await person.sees("Event 2 of a chain");
    await person.reads("verifies", own.chain);
    await page.getByText("What was signed").click();
    await person.looks("operator-event");
    await person.follows("The event after");
    await person.sees("Event 3 of a chain");
    await person.follows("The event before");
    await person.sees("Event 2 of a chain");
    await person.follows("To the licence");
    await person.sees(title);

    await person.follows(own.chain.slice(0, 16), devices);
    await person.sees(/^Device /);
    await person.reads(own.chain, "render", "M. Muster");
    await person.looks("operator-device");
    await person.follows("Take its seat back");
    await person.sees("Take a seat back");
    await person.reads("This cannot be undone.");
    await person.looks("operator-release");
    await person.fills("Why", "  ");
    await person.presses("Take it back");
    await person.reads("say why it is done");
    await person.looks("operator-release-refused");
    await person.fills("Why", `the disk of ${own.customer} broke`);
    await person.presses("Take it back");
    await person.sees(title);
    await person.reads("The seat is taken back.", `the disk of ${own.customer} broke`);
    await signsOut(person);
  },
  { signsIn: true },
);

journey(
  "what waits in quarantine is tried again and deleted",
  async (person) => {
    const { page, own } = person;
    await signsIn(person);
    await goesTo(person, "Quarantine");
    await person.looks("operator-quarantine");
    await person.follows(own.forged);
    await person.sees(`Quarantine entry ${own.forged}`);
    await person.reads("signature_bad", "What to do:", `${person.way.name}-forged.cfbundle`);
    await person.looks("operator-quarantined");
    await person.presses("Try it again");
    await person.reads("The entry was tried again, and is refused as before.");
    await person.looks("operator-tried-again");
    await person.follows("Delete it");
    await person.sees(`Delete quarantine entry ${own.forged}`);
    await person.reads("This cannot be undone.");
    await person.looks("operator-drop");
    await person.presses("Delete it for good");
    await person.sees("Quarantine");
    await person.reads("The entry is deleted.");
    assert.equal(await page.getByRole("link", { name: own.forged, exact: true }).count(), 0);
    await page.getByRole("link", { name: own.damaged, exact: true }).waitFor();
  },
  { signsIn: true },
);

journey(
  "forks and imports are looked at",
  async (person) => {
    const { page } = person;
    await signsIn(person);
    await goesTo(person, "Forks");
    const forks = page.getByRole("table", { name: "Forks" });
    assert.equal(await forks.getByRole("row").count(), 2);
    await person.looks("operator-forks");
    await person.follows(`event ${prepared.fork.seq}`, forks);
    await person.reads("The chain forked:", "5 of render", "6 of render");
    await person.looks("operator-parting");
    await goesTo(person, "Imports");
    await person.looks("operator-imports");
    await person.follows("november.cfbundle");
    await person.sees("Import november.cfbundle");
    await page.getByRole("progressbar", { name: "How far it has come: done" }).waitFor();
    await person.reads("100 % read", "signature_bad");
    await person.looks("operator-import");
    await signsOut(person);
  },
  { signsIn: true },
);

journey(
  "bundles are uploaded, and followed until they are taken in",
  async (person) => {
    const { page, way } = person;
    await signsIn(person);
    await goesTo(person, "Imports");
    const files = ["one", "two"].map((name) => join(prepared.folder, `${way.name}-${name}.cfbundle`));
    await page.getByLabel("Choose the files", { exact: true }).setInputFiles(files);
    await person.presses("Upload them");
    await person.sees("Import 2 files");
    const again = page.getByRole("link", { name: "Look again", exact: true });
    while ((await again.count()) > 0) {
      await again.click();
      await person.sees("Import 2 files");
    }
    await page.getByRole("progressbar", { name: "How far it has come: done" }).waitFor();
    await person.looks("operator-uploaded");
    await person.follows("To the list");
    await person.sees("Imports");
    assert.ok((await page.getByRole("link", { name: "2 files", exact: true }).count()) > 0);
  },
  { signsIn: true },
);
