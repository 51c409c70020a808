// A page that tells a file in words, held against what `counterfoil show` says of the same file.

import assert from "node:assert/strict";

/** Sees that what the file discloses is told exactly: all of it event by event, and its particulars in words. */
export async function tellsTheSame(person, file) {
  const { page } = person;
  await person.reads("Nothing has been sent yet.");
  const said = file.told;

  const runs = said.runs.filter((run) => run.events.length > 0);
  await person.reads(...new Set(runs.map((run) => run.chain)), runs[0].writer.reference);
  const opened = runs.flatMap((run) => run.events).find((event) => event.kind === "chain.opened")?.body;
  if (opened) await person.reads(`${opened.product} (${opened.environment})`, opened.agent);

  // Every value in clear, no other, in the order of the file.
  const clear = page.getByRole("region", { name: "What it discloses in clear" });
  assert.deepEqual(await clear.getByRole("definition").allInnerTexts(), said.attachments.map((value) => value.text));

  // Every event is counted.
  const did = page.getByRole("heading", { name: "What it did" }).locator("xpath=following-sibling::*[1]");
  const counts = (await did.getByRole("listitem").allInnerTexts()).map((line) => Number(line.split(": ").at(-1)));
  const events = runs.reduce((sum, run) => sum + run.events.length, 0);
  assert.equal(counts.reduce((sum, count) => sum + count, 0), events);

  // Each use is named, and counted by feature and period.
  const used = runs.flatMap((run) => run.events).filter((event) => event.kind === "feature.consumed");
  for (const reference of used.map((event) => event.body.reference).filter(Boolean)) await person.reads(reference);
  const units = used.reduce((sum, event) => sum + event.body.n, 0);
  const rows = page.getByRole("table", { name: "Use of metered features" }).getByRole("row");
  const shown = (await rows.allInnerTexts()).slice(1).map((row) => Number(row.split("\t")[2]));
  assert.equal(shown.reduce((sum, count) => sum + count, 0), units);

  const all = page.getByText("All that it holds, event by event");
  const words = page.getByRole("group").filter({ has: all }).locator("pre");
  assert.equal(await words.isVisible(), false, "it is folded away at first");
  await all.click();
  assert.equal((await words.textContent()).trim(), file.words.trim());
  await all.click();
}
