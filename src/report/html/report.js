// The device table: sort, filter, search, open. Without this script the page shows its first lines with their evidence.
// What comes from the wire is set as text, never as markup.
"use strict";
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  const table = document.getElementById("device-table");
  const body = table.tBodies[0];
  const words = JSON.parse(document.getElementById("words").textContent);
  const total = Number(table.dataset.lines);
  const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  // ---- The lines: those of the page, and those that are data until they are shown ----
  const [VERDICT, ACT, FLOWS] = [3, 5, 9]; // Places in a line's cells, as the template writes them.
  const lineOf = new Map(); // By row.
  const lines = [];
  const add = (line) => {
    lines.push(line);
    if (line.row) lineOf.set(line.row, line);
  };
  for (const row of body.rows) {
    if (row.className === "device") {
      const [head, ...rest] = row.cells;
      const cells = [...head.children, ...rest].map((cell) => cell.textContent);
      cells[VERDICT] = row.dataset.v;
      cells[ACT] = row.dataset.a;
      add({ cells, row });
    } else {
      lines.at(-1).evidence = row;
    }
  }
  const STEP = Math.max(lines.length, 1);
  let reading = null;
  const unpack = async (base64) => {
    const packed = atob(base64);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const readRest = () => reading ??= (async () => {
    if (lines.length === total) return;
    const texts = (await unpack(document.getElementById("rest").textContent)).split("\n");
    for (const text of texts) {
      const tab = text.indexOf("\t");
      // The evidence stays text until its row is opened.
      if (tab > 0) add({ cells: JSON.parse(text.slice(0, tab)), data: text.slice(tab + 1) });
    }
  })();
  const rowOf = (line) => {
    if (line.row) return line.row;
    const row = element("tr", undefined, "device");
    [row.dataset.v, row.dataset.a] = [line.cells[VERDICT], line.cells[ACT]];
    const head = element("th");
    head.scope = "row";
    head.append(element("span", line.cells[0], "mono"), element("b", line.cells[1]), element("small", line.cells[2]));
    row.append(head);
    line.cells.slice(VERDICT).forEach((text, i) => {
      const cell = row.insertCell();
      const place = VERDICT + i;
      if (place === VERDICT) {
        const badge = element("span", undefined, "v " + text);
        const mark = element("i", words.marks[text]);
        mark.setAttribute("aria-hidden", "true");
        badge.append(mark, words.verdicts[text] ?? text);
        cell.append(badge);
      } else {
        cell.textContent = place === ACT ? words.acts[text] : text;
        cell.className = place >= FLOWS ? "n" : place === VERDICT + 1 ? "why" : "";
      }
    });
    line.row = row;
    lineOf.set(row, line);
    return row;
  };

  // ---- Evidence ----
  const pairs = (list) => {
    const made = element("dl");
    for (const [term, value] of list) made.append(element("dt", term), element("dd", value));
    return made;
  };
  const grid = (caption, heads, cells, className) => {
    const box = element("div", undefined, "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", caption);
    const made = element("table", undefined, className);
    made.createCaption().textContent = caption;
    const head = made.createTHead().insertRow();
    for (const text of heads) head.append(Object.assign(element("th", text), { scope: "col" }));
    const inside = made.createTBody();
    for (const row of cells) {
      const made = inside.insertRow();
      for (const text of row) made.insertCell().textContent = text;
    }
    box.append(made);
    return box;
  };
  const evidenceOf = (line) => {
    if (line.evidence) return line.evidence;
    const evidence = JSON.parse(line.data);
    const row = element("tr", undefined, "ev");
    const cell = row.insertCell();
    cell.colSpan = line.row.cells.length;
    const box = element("div", undefined, "evidence");
    box.dataset.act = line.cells[ACT];
    cell.append(box);
    if (evidence.remedy) {
      const remedy = element("p", undefined, "remedy");
      remedy.append(element("b", "What to do:"), " " + evidence.remedy);
      box.append(remedy);
    }
    for (const id of evidence.reasons) {
      const rule = document.getElementById("rule-" + id)?.cloneNode(true) ?? element("p", id);
      rule.removeAttribute("id");
      box.append(rule);
    }
    box.append(pairs(evidence.facts));
    if (evidence.flows.length) box.append(grid(evidence.flows_caption, words.flows, evidence.flows, "plain flows"));
    for (const [title, offer] of evidence.offers) box.append(element("h4", title), pairs(offer));
    if (evidence.ends.length) box.append(grid(evidence.ends_caption, words.ends, evidence.ends, "plain ends"));
    line.evidence = row;
    return row;
  };
  let opened = 0;
  const toggle = (line, open) => {
    if (!line.evidence && !line.data) return;
    const evidence = evidenceOf(line);
    const button = line.row.querySelector(".opener");
    evidence.id ||= "evidence-" + opened++;
    evidence.classList.toggle("open", open);
    const details = evidence.querySelector("details");
    if (details) details.open = open;
    if (evidence.previousElementSibling !== line.row) line.row.after(evidence);
    button.setAttribute("aria-expanded", open);
    button.setAttribute("aria-controls", evidence.id);
  };
  const giveOpener = (row) => {
    const head = row.cells[0];
    if (head.firstChild.className === "opener") return;
    const button = element("button", undefined, "opener");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.append(...head.childNodes);
    head.append(button);
  };
  body.addEventListener("click", (event) => {
    const button = event.target.closest(".opener");
    if (button) toggle(lineOf.get(button.closest("tr")), button.getAttribute("aria-expanded") !== "true");
  });

  // ---- Which lines, in which order ----
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const byVerdict = document.getElementById("by-verdict");
  const byAct = document.getElementById("by-act");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const heads = [...table.tHead.rows[0].cells];
  const RANK = [...byVerdict.options].map((option) => option.value);
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  let found = lines; // What the filters leave, in the order chosen.
  let limit = STEP;
  let order = null; // The column and direction; null: as written, the worst first.

  const keyOf = (line, column) => {
    const place = column ? column + VERDICT - 1 : 0;
    const text = line.cells[place];
    if (place === VERDICT) return RANK.indexOf(text);
    return place >= FLOWS ? Number(text.replace(/\D/g, "")) : text;
  };
  const has = (line, word) => {
    line.words ??= line.cells.join("\n").replaceAll("\u00a0", " ").toLowerCase();
    // The evidence too: all of the device's names and servers are in it.
    return line.words.includes(word.text) || word.pattern.test(line.data ?? line.evidence?.textContent ?? "");
  };
  const place = () => {
    const rows = [];
    for (const line of found.slice(0, limit)) {
      giveOpener(rowOf(line));
      rows.push(line.row);
      if (line.evidence) rows.push(line.evidence);
    }
    body.replaceChildren(...rows);
  };
  const tell = () => {
    const all = found === lines ? total : found.length;
    const seen = Math.min(all, limit);
    const rest = all - seen;
    shown.textContent = `${count(seen, "line", "lines")} shown` + (rest ? ` of ${all.toLocaleString("en")}` : "") +
      (all < total ? `; ${count(total, "line", "lines")} without the filters` : "");
    more.hidden = !rest;
    more.textContent = `Show ${Math.min(STEP, rest).toLocaleString("en")} more of ${rest.toLocaleString("en")}`;
  };
  const busy = (now) => table.setAttribute("aria-busy", now);
  const choose = async () => {
    busy(true);
    await readRest();
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean).map((text) => ({
      text, pattern: new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "i"),
    }));
    found = lines;
    if (byVerdict.value || byAct.value || wanted.length) {
      found = lines.filter((line) =>
        (!byVerdict.value || line.cells[VERDICT] === byVerdict.value) &&
        (!byAct.value || line.cells[ACT] === byAct.value) &&
        wanted.every((word) => has(line, word)));
    }
    if (order) {
      const sign = order.descending ? -1 : 1;
      const keyed = found.map((line) => [keyOf(line, order.column), line]);
      keyed.sort(([a], [b]) => sign * (typeof a === "number" ? a - b : compare(a, b)));
      found = keyed.map(([, line]) => line);
    }
    limit = STEP;
    place();
    tell();
    busy(false);
  };
  const sort = (column, descending) => {
    order = column === null ? null : { column, descending };
    heads.forEach((head, i) => {
      head.setAttribute("aria-sort", i !== column ? "none" : descending ? "descending" : "ascending");
    });
  };
  heads.forEach((head, column) => {
    const button = element("button", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Numbers begin with the greatest, all else with the first.
      sort(column, order?.column === column ? !order.descending : head.className === "n");
      choose();
    });
  });
  let waiting = 0;
  search.addEventListener("input", () => {
    busy(true);
    clearTimeout(waiting);
    waiting = setTimeout(choose, 100);
  });
  byVerdict.addEventListener("change", choose);
  byAct.addEventListener("change", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    busy(true);
    // The fields are empty only after this event.
    setTimeout(() => {
      sort(null);
      choose();
    });
  });
  document.getElementById("open-all").addEventListener("click", () => {
    for (const line of found.slice(0, limit)) toggle(line, true);
  });
  more.addEventListener("click", async () => {
    await readRest();
    limit += STEP;
    place();
    tell();
  });
  // On paper there is no button to press: all that the filters leave is printed.
  let before = limit;
  addEventListener("beforeprint", () => {
    before = limit;
    limit = Infinity;
    if (found.length > before) place();
  });
  addEventListener("afterprint", () => {
    limit = before;
    if (found.length > before) place();
  });

  lines.forEach((line) => giveOpener(line.row));
  sort(null);
  form.hidden = false;
  tell();
  // Ready before it is asked for, and for the printer, who does not wait.
  setTimeout(readRest, 200);
});
