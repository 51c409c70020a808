// Somebody looks after what other systems are told: what was given up is read, and sent again.

import assert from "node:assert/strict";
import { goesTo, part, signsIn, signsOut } from "./operator.mjs";
import { journey } from "./support.mjs";

journey(
  "messages that were given up are looked at and sent again",
  async (person) => {
    const { page, own } = person;
    await signsIn(person);
    await goesTo(person, "Webhooks");
    await page.getByRole("table", { name: "Endpoints" }).getByRole("link", { name: own.url, exact: true }).waitFor();
    await person.looks("operator-webhooks");
    await page.getByLabel("Endpoint", { exact: true }).selectOption({ label: own.url });
    await page.getByLabel("Only what was given up", { exact: true }).check();
    await person.presses("Show them");
    const messages = page.getByRole("table", { name: "Messages" });
    await messages.getByText("500 not today").first().waitFor();
    assert.equal(await messages.getByRole("row").count(), 3, "a heading and two messages");

    await person.follows(own.messages[0], messages);
    await person.sees("Message: activation.activated");
    const body = part(person, "What is sent, byte by byte").locator("pre");
    const told = JSON.parse(await body.innerText());
    assert.deepEqual([told.type, told.data.product], ["activation.activated", "studio"]);
    await person.reads("failed", "500 not today", own.messages[0]);
    await person.looks("operator-message");
    await person.presses("Send it again");
    await person.reads("The message is sent again.");
    await person.looks("operator-message-again");

    await person.follows(own.url);
    await person.sees(`Endpoint ${own.url}`);
    await person.looks("operator-webhook");
    await person.presses("Send them again");
    await person.reads("Messages that are sent again: 1.");
    await person.presses("Send them again");
    await person.reads("No message to it was given up.");
    await person.follows("Its messages");
    await person.sees("Webhooks");
    assert.equal(await messages.getByRole("row").count(), 3);
    await signsOut(person);
  },
  { signsIn: true },
);
