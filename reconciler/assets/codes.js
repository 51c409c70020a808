// Checks the groups of a code while they are typed, by the rule of docs/formats/codes.md, and names those that are wrong. What
// was typed is never changed, and the service reads it again: without this script it names them when the form is sent.
"use strict";

{
  const SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const LOOK_ALIKES = { O: "0", I: "1", L: "1" };
  const BLANK = /[\p{White_Space}\u00ad\u200b\u2060\ufeff]/u;
  const DASH = /[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/;
  const GROUP_SYMBOLS = 6;
  const GROUPS_A_LINE = 5;
  const MOST_GROUPS = 160;
  /** From so many wrong groups on a slip may have moved them. */
  const LOOKS_LIKE_A_SLIP = 5;
  const [REQUEST, UNLOCK, RETURN] = [8, 12, 16];
  const REQUEST_GROUPS = 14;

  /** The value of a typed character; none where it is no symbol. */
  const value = (typed) => {
    const capital = /[a-z]/.test(typed) ? typed.toUpperCase() : typed;
    const at = SYMBOLS.indexOf(LOOK_ALIKES[capital] ?? capital);
    return at < 0 ? null : at;
  };

  /** The product with α in GF(32), modulo x⁵ + x² + 1. */
  const timesAlpha = (element) => ((element << 1) & 0b100000 ? (element << 1) ^ 0b100101 : element << 1);

  const PLACES = [0];
  for (let power = timesAlpha(1); PLACES.length < 32; power = timesAlpha(power)) PLACES.push(power);

  /** The one header for which a group is right in its place; none where it is no group of symbols. */
  const headerOf = (number, symbols) => {
    if (symbols.length !== GROUP_SYMBOLS || symbols.includes(null)) return null;
    const check = symbols[GROUP_SYMBOLS - 1];
    const weighted = symbols.slice(0, -1).reduceRight((sum, symbol) => timesAlpha(sum ^ symbol), 0);
    const header = check ^ PLACES[number % PLACES.length] ^ weighted;
    return number === 1 && header !== symbols[0] ? null : header;
  };

  /** The text with blanks for the numbers before its lines, where all have them as devices show codes: 1, 6, 11 and so on. */
  const unnumbered = (text) => {
    let first = 1;
    let hasAll = true;
    const lines = text.split("\n").map((line) => {
      if (line.trim() === "") return line;
      const number = line.match(/^\s*(\d+)(?=\s)/);
      hasAll &&= number !== null && Number(number[1]) === first;
      first += GROUPS_A_LINE;
      return number ? " ".repeat(number[0].length) + line.slice(number[0].length) : line;
    });
    return hasAll ? lines.join("\n") : text;
  };

  /**
   * The groups of a text, each with its symbols and whether it is still being typed: at the end, or where `caret` is. Hyphens end
   * a group; without any, and where two groups or more stand between two of them, they are cut by six symbols.
   */
  const groupsOf = (text, caret) => {
    const pieces = [[]];
    let at = 0;
    for (const typed of unnumbered(text)) {
      if (DASH.test(typed)) pieces.push([]);
      else if (!BLANK.test(typed)) pieces.at(-1).push({ symbol: value(typed), at });
      at += typed.length;
    }
    const groups = pieces.flatMap((piece, place) => {
      const isLast = place === pieces.length - 1;
      const isOne = pieces.length > 1 && (!isLast || caret === null) && piece.length < 2 * GROUP_SYMBOLS;
      const size = isOne ? piece.length : GROUP_SYMBOLS;
      const cut = [];
      for (let from = 0; from < piece.length; from += size) cut.push(piece.slice(from, from + size));
      return cut;
    });
    return groups.map((group, place) => {
      const isShort = group.length < GROUP_SYMBOLS;
      const isLast = place === groups.length - 1;
      const isAtCaret = caret !== null && caret >= group[0].at && caret <= group.at(-1).at + 1;
      const isOpen = isShort && (isAtCaret || (isLast && caret !== null));
      return { symbols: group.map(({ symbol }) => symbol), isOpen };
    });
  };

  /** The numbers of the groups that are wrong, and the header by which they were judged. */
  const judge = (groups) => {
    const judged = groups
      .map(({ symbols, isOpen }, place) => ({ number: place + 1, isOpen, header: headerOf(place + 1, symbols) }))
      .filter(({ isOpen }, place) => !isOpen || groups[place].symbols.includes(null));
    const right = (header) => judged.filter((group) => group.header === header).length;
    const first = judged[0]?.number === 1 ? judged[0].header : null;
    const said = judged.map(({ header }) => header).find((header) => header !== null && 2 * right(header) > judged.length);
    const likely = [REQUEST, UNLOCK, RETURN].reduce((best, header) => (right(header) > right(best) ? header : best));
    const header = said ?? first ?? likely;
    const wrong = judged.filter((group) => group.header !== header).map(({ number }) => number);
    return { wrong, header, isSaid: said !== undefined || first !== null, right: right(header) };
  };

  /** Numbers in words, those that follow each other together. */
  const numbers = (wrong) => {
    const spans = [];
    for (const number of wrong) {
      if (spans.at(-1)?.at(-1) === number - 1) spans.at(-1).push(number);
      else spans.push([number]);
    }
    const words = spans.flatMap((span) => (span.length > 2 ? [`${span[0]} to ${span.at(-1)}`] : span.map(String)));
    return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0];
  };

  /** What is to be told of a text; `told` is what was told last. */
  const verdict = (text, caret, told) => {
    const groups = groupsOf(text, caret);
    if (groups.length > MOST_GROUPS) return { isWrong: true, words: "These are more groups than any code has." };
    const { wrong, header, isSaid, right } = judge(groups);
    if (isSaid && wrong.length === 0 && header === UNLOCK) {
      return { isWrong: true, words: "This is an unlock code. It is typed at the device." };
    }
    if (isSaid && wrong.length === 0 && ![REQUEST, RETURN].includes(header)) {
      return { isWrong: true, words: "Codes that begin so are not known here." };
    }
    if (wrong.length > 0) {
      const names = wrong.length > 1 ? `Groups ${numbers(wrong)} are wrong.` : `Group ${wrong[0]} is wrong.`;
      const others = right > 1 ? " The others stand." : "";
      const since = groups.length - wrong[0] + 1;
      // Now and then one is right in another place by chance.
      const isMoved = wrong.length >= LOOKS_LIKE_A_SLIP && 5 * wrong.length >= 4 * since;
      const moved = `The groups from ${wrong[0]} on are wrong: perhaps one was left out there, or typed twice.`;
      return { isWrong: true, words: (isMoved ? moved : names) + others };
    }
    const isWhole = header === REQUEST && groups.length === REQUEST_GROUPS && right === REQUEST_GROUPS;
    if (isWhole) return { isWrong: false, words: `All ${REQUEST_GROUPS} groups are right.` };
    return { isWrong: false, words: told ? "All groups so far are right." : "" };
  };

  const field = document.getElementById("code");
  const live = document.getElementById("code-live");
  if (field && live) {
    const tell = (caret) => {
      const { isWrong, words } = verdict(field.value, caret, live.textContent);
      if (isWrong) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      if (live.textContent !== words) live.textContent = words;
      live.classList.toggle("wrong", isWrong);
    };
    field.addEventListener("input", () => tell(field.selectionStart));
    // Whoever leaves the field is told of groups that are too short as well.
    field.addEventListener("change", () => tell(null));
  }
}
