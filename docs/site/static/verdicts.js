// The limits as a picture, and tables to sort and filter; behind each cell and row stands its record.
// <div data-picture="limits">, <div data-table="limits"> (or "claims", or "records").
"use strict";

{
  const PICTURED = { iterations: "iterations", seconds: "wall time", final: "final loss", unseen_psnr: "PSNR", unseen_ssim: "SSIM" };
  const FINALS = { iterations: "train_loss", seconds: "train_loss", seconds_with_setup: "train_loss", area: "train_loss", final: "train_loss" };

  const nameOf = (cell) => (cell.group === cell.setting ? cell.group : `${cell.group}: ${cell.setting}`);
  const list = (...items) => site.element("ul", {}, ...items.map((item) => site.element("li", {}, ...[item].flat())));

  // The numbers of one optimizer behind a cell.
  function behind(name, run, quantity) {
    const column = FINALS[quantity] ?? quantity;
    const numbers = run.runs.map(([seed, status, finals]) => `seed ${seed}: ${finals[column] ?? status}`).join("; ");
    return [
      site.element("b", {}, name), ` with ${run.settings || "no settings"}. ${column.replace("train", "training").replace("_", " ")}: ${numbers}. `,
      site.link("Record", run.record), ` (commit ${run.commit.slice(0, 9)}, ${run.processor})`,
    ];
  }

  // The seeds that are no part of a test, or nothing.
  const lost = (row) => (row.lost === null && row.baselineLost === null ? [] : [`Lost seeds: ${row.lost ?? "none"} of the method, ${row.baselineLost ?? "none"} of the baseline.`]);

  // All that stands behind a cell of the limits.
  function details(cell, runs) {
    const title = `${nameOf(cell)}, ${cell.method} against ${cell.against}, ${cell.measured}`;
    const items = [`Verdict: ${cell.verdict}. Effect: ${cell.text}, ${cell.seeds} seeds.`, ...lost(cell)];
    if (cell.bracketed === "no") items.push("The search of one of the two ended before its best value lay between worse ones.");
    const own = runs[cell.slug] ?? {};
    const names = [cell.method, cell.against];
    cell.pair.forEach((name, i) => own[name] && items.push(behind(names[i], own[name][cell.chosenBy], cell.quantity)));
    if (own[cell.pair[0]]) items.push([site.link("Curves of this setting", `convergence.html#${cell.slug}`)]);
    return [site.element("h4", {}, title), list(...items)];
  }

  async function picture(mount) {
    const { cells, runs } = await site.data("limits");
    const methods = [...new Set(cells.map((cell) => cell.method))];
    const select = site.element("select", {}, ...methods.map((method) => site.element("option", {}, method)));
    const shown = site.element("div", { class: "details", "aria-live": "polite" }, "No cell is chosen.");
    const frame = site.element("div", { class: "picture" });

    const draw = () => {
      const own = cells.filter((cell) => cell.method === select.value && cell.quantity in PICTURED);
      const tests = [...new Set(own.map((cell) => `${cell.against}/${cell.quantity}`))]
        .filter((test) => !test.startsWith("mean image"));
      const baselines = [...new Set(tests.map((test) => test.split("/")[0]))];
      const groups = [...new Set(own.map((cell) => cell.group))];
      const table = site.element("table", {}, site.element("caption", {}, `${select.value}: where the claims hold`));
      const over = site.element("tr", {}, site.element("td"));
      const head = site.element("tr", {}, site.element("th", { scope: "col" }, "setting"));
      for (const baseline of baselines) {
        const width = tests.filter((test) => test.startsWith(`${baseline}/`)).length;
        over.append(site.element("th", { colspan: width, scope: "colgroup" }, `against ${baseline}`));
      }
      for (const test of tests) head.append(site.element("th", { scope: "col" }, PICTURED[test.split("/")[1]]));
      table.append(site.element("thead", {}, over, head));
      for (const group of groups) {
        const body = site.element("tbody");
        for (const slug of new Set(own.filter((cell) => cell.group === group).map((cell) => cell.slug))) {
          const row = own.filter((cell) => cell.slug === slug);
          const name = nameOf(row[0]);
          const line = site.element("tr", { id: slug }, site.element("th", { scope: "row" }, name));
          for (const test of tests) {
            const cell = row.find((one) => `${one.against}/${one.quantity}` === test);
            if (!cell) {
              line.append(site.element("td"));
              continue;
            }
            const words = `${name}, ${cell.measured} against ${cell.against}: ${cell.verdict}, ${cell.text}`;
            const button = site.element("button", { class: `cell ${cell.verdict.replaceAll(" ", "-")}`, title: words, "aria-label": words, tabindex: -1 });
            ["lost", "baseline-lost"].forEach((side, i) => cell.mostlyLost[i] && button.classList.add(side));
            button.addEventListener("click", () => {
              frame.querySelectorAll("[aria-pressed]").forEach((one) => one.removeAttribute("aria-pressed"));
              button.setAttribute("aria-pressed", "true");
              shown.replaceChildren(...details(cell, runs));
            });
            line.append(site.element("td", {}, button));
          }
          body.append(line);
        }
        table.append(body);
      }
      frame.replaceChildren(table);
      frame.querySelector("button").tabIndex = 0;
    };

    // One cell is in the order of the tab key; arrows move on.
    frame.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step || !event.target.matches("button")) return;
      const rows = [...frame.querySelectorAll("tr[id]")];
      const row = event.target.closest("tr");
      const column = row.children.length && [...row.children].indexOf(event.target.parentElement);
      const next = rows[rows.indexOf(row) + step[0]]?.children[column + step[1]]?.querySelector("button");
      if (!next) return;
      event.preventDefault();
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });

    select.addEventListener("change", draw);
    draw();
    mount.replaceChildren(site.element("p", { class: "controls" }, site.element("label", {}, "Method ", select)), frame, shown);
    const wanted = location.hash && frame.querySelector(`tr[id="${CSS.escape(location.hash.slice(1))}"]`);
    if (wanted) {
      wanted.classList.add("wanted");
      wanted.scrollIntoView({ block: "center" });
    }
  }

  const text = (title, field, more = {}) => ({ title, field, headerFilter: "input", headerFilterParams: { elementAttributes: { "aria-label": `filter ${title}` } }, ...more });
  const number = (title, field, more = {}) => ({ title, field, sorter: "number", hozAlign: "right", ...more });
  const effect = { title: "effect (interval)", field: "effect", sorter: "number", formatter: (cell) => cell.getData().text, minWidth: 150 };
  const TABLES = {
    limits: {
      columns: [text("setting", "name", { minWidth: 140 }), text("method", "method", { minWidth: 135 }), text("against", "against"), text("measured by", "measured", { minWidth: 120 }), text("verdict", "verdict"), effect],
      rows: (data) => data.cells.map((cell) => ({ ...cell, name: nameOf(cell) })),
      details: (row, data) => details(row, data.runs),
    },
    claims: {
      columns: [text("experiment", "experiment", { minWidth: 130 }), text("method", "method", { minWidth: 135 }), text("against", "against"), text("kind of baseline", "kind", { minWidth: 110 }), text("measured by", "measured", { minWidth: 120 }), text("outcome", "outcome", { minWidth: 90 }), effect],
      rows: (data) => data,
      details: (row) => {
        const items = [`Claim: ${row.claim}.`, `Outcome: ${row.outcome}. Effect: ${row.text}, ${row.seeds} seeds.`];
        items.push(...lost(row));
        if (row.exact) items.push(`Without the slack of the loss that both reach: ${row.exact}.`);
        if (row.removed) items.push("Holm's correction removes the outcome.");
        if (row.verdict) items.push(`Verdict on the claim: ${row.verdict}.${row.agree ? ` Of the other experiments ${row.agree} agree${row.agreeAt ? `: ${row.agreeAt}` : ""}.` : ""}`);
        row.records.forEach((path) => items.push([site.link(path.split("/").slice(-3).join("/"), path)]));
        items.push([site.link(`The experiment ${row.experiment}`, `experiments/${row.experiment}.html`)]);
        return [site.element("h4", {}, `${row.experiment}, ${row.method} against ${row.against} (${row.kind}), ${row.measured}`), list(...items)];
      },
    },
    records: {
      columns: [
        text("record", "record", { minWidth: 260, formatter: (cell) => site.link(cell.getValue(), cell.getData().href) }),
        text("kind", "kind"), number("seconds", "seconds"), text("commit", "commit", { formatter: (cell) => cell.getValue()?.slice(0, 9) ?? "-" }), text("processor", "processor"), text("torch", "torch"),
      ],
      rows: (data) => data,
    },
  };

  async function table(mount) {
    const { columns, rows, details } = TABLES[mount.dataset.table];
    site.style("_static/bundles/tabulator/dist/css/tabulator_simple.min.css");
    const [data] = await Promise.all([site.data(mount.dataset.table), site.script("_static/bundles/tabulator/dist/js/tabulator.min.js")]);
    const frame = site.element("div");
    const shown = site.element("div", { class: "details", "aria-live": "polite" });
    mount.replaceChildren(frame, shown);
    const show = (row) => shown.replaceChildren(...details(row, data));
    const open = {
      title: "record", headerSort: false, width: 65,
      formatter: (cell) => {
        const button = site.element("button", { type: "button" }, "show");
        button.addEventListener("click", () => show(cell.getData()));
        return button;
      },
    };
    new Tabulator(frame, {
      data: rows(data), columns: details ? [open, ...columns] : columns, layout: "fitColumns", columnDefaults: { minWidth: 75, variableHeight: true },
      pagination: true, paginationSize: 15, paginationCounter: "rows",
    });
    if (details) shown.append("No row is chosen.");
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-picture]").forEach(picture);
    document.querySelectorAll("[data-table]").forEach(table);
  });
}
