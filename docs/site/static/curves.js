// Convergence curves: optimizers, seeds, axis and scale to choose. <div data-curves="run/EXPERIMENT"> or "limits".
"use strict";

{
  const DASHES = { "-": [], "--": [8, 4], "-.": [8, 3, 2, 3], ":": [2, 3] };
  let count = 0;

  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  const last = (run) => run.points[run.points.length - 1][1];

  // A group of checkboxes or radio buttons; `changed` is called after each change.
  function choices(legend, type, entries, changed) {
    const name = `choice-${count++}`;
    const group = site.element("fieldset", {}, site.element("legend", {}, legend));
    for (const { value, label, checked, color } of entries) {
      const input = site.element("input", { type, name, value });
      input.checked = checked;
      input.addEventListener("change", changed);
      const words = site.element("label", {}, input, " ");
      if (color) words.append(site.element("span", { class: "swatch", style: `background: ${color}` }), " ");
      words.append(label);
      group.append(words);
    }
    group.chosen = () => [...group.querySelectorAll("input:checked")].map((input) => input.value);
    return group;
  }

  function selection(label, entries, changed) {
    const select = site.element("select");
    for (const { value, words } of entries) select.append(site.element("option", { value }, words));
    select.addEventListener("change", changed);
    const element = site.element("label", {}, `${label} `, select);
    element.select = select;
    return element;
  }

  class Curves {
    constructor(mount) {
      this.mount = mount;
      this.controls = site.element("div", { class: "controls" });
      this.chart = site.element("div", { class: "chart", role: "img" });
      this.numbers = site.element("div", { class: "numbers", "aria-live": "polite" });
      new ResizeObserver(() => this.chart.clientWidth !== this.width && this.plot && this.draw()).observe(this.chart);
    }

    // The data of one setting or experiment, with controls for what it has.
    show(data, before = []) {
      this.data = data;
      const names = Object.keys(data.choices);
      const redraw = () => this.draw();
      this.chosenBy = selection("Settings chosen by", names.map((value) => ({ value, words: value })), () => this.fill());
      this.axis = choices("Axis", "radio", [
        { value: "iterations", label: "iterations", checked: true },
        { value: "seconds", label: "seconds" },
      ], redraw);
      this.scale = choices("Log scale", "checkbox", [
        { value: "y", label: "loss", checked: true },
        { value: "x", label: "axis" },
      ], redraw);
      this.filled = site.element("div", { class: "filled" });
      this.controls.replaceChildren(...before, this.chosenBy, this.filled, this.axis, this.scale);
      this.mount.replaceChildren(this.controls, this.chart, this.numbers);
      this.fill();
    }

    fill() {
      const curves = this.data.choices[this.chosenBy.select.value];
      const seeds = [...new Set(curves.flatMap((curve) => curve.runs.map((run) => run.seed)))].sort((a, b) => a - b);
      const redraw = () => this.draw();
      this.optimizers = choices("Optimizers", "checkbox", curves.map((curve) => (
        { value: curve.method, label: curve.label, checked: true, color: curve.color })), redraw);
      this.seeds = choices("Seeds", "checkbox", seeds.map((seed) => (
        { value: String(seed), label: String(seed), checked: true })), redraw);
      this.filled.replaceChildren(this.optimizers, this.seeds);
      const timed = curves.some((curve) => curve.seconds);
      for (const input of this.axis.querySelectorAll("input[value=seconds]")) {
        input.disabled = !timed;
        if (!timed && input.checked) this.axis.querySelector("input").checked = true;
      }
      this.draw();
    }

    draw() {
      const all = this.data.choices[this.chosenBy.select.value];
      const [axis] = this.axis.chosen();
      const scale = this.scale.chosen();
      const seeds = this.seeds.chosen();
      const shown = all.filter((curve) => this.optimizers.chosen().includes(curve.method) && (axis !== "seconds" || curve.seconds));
      const tables = [];
      const series = [{ label: axis }];
      const rows = [];
      for (const curve of shown) {
        const factor = axis === "seconds" ? curve.seconds : 1;
        const runs = curve.runs.filter((run) => seeds.includes(String(run.seed)) && run.points.length);
        for (const run of runs) {
          const points = run.points.filter(([x]) => x > 0 || !scale.includes("x"));
          tables.push([points.map(([x]) => x * factor), points.map(([, y]) => y)]);
          series.push({
            label: `${curve.label}, seed ${run.seed}`, stroke: curve.color, width: 1.5, dash: DASHES[curve.dash],
            points: { show: false }, spanGaps: true,
          });
        }
        if (runs.length) rows.push([curve, runs]);
      }
      this.plot?.destroy();
      this.width = this.chart.clientWidth;
      const color = getComputedStyle(this.mount).color;
      const ticks = { stroke: color, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884" } };
      const number = (value) => (value === null ? "" : Number(value.toPrecision(3)).toString());
      const values = (_, splits) => splits.map(number);
      const distribution = (letter) => (scale.includes(letter)
        ? { time: false, distr: 3, range: (_, low, high) => (low ? [low / 1.05, high * 1.05] : [1, 10]) }
        : { time: false, distr: 1 });
      this.plot = new uPlot({
        width: this.width, height: Math.min(420, Math.max(280, this.width * 0.55)),
        scales: { x: distribution("x"), y: distribution("y") },
        axes: [{ ...ticks, label: axis, values }, { ...ticks, label: "training loss", size: 64, values }],
        legend: { show: false }, cursor: { drag: { x: true, y: true } }, series,
      }, tables.length ? uPlot.join(tables) : [[]], this.chart);
      this.describe(rows, axis);
    }

    describe(rows, axis) {
      const names = rows.map(([curve]) => curve.label).join(", ");
      this.chart.setAttribute("aria-label", `${this.data.title}: training loss against ${axis}, ${names || "nothing chosen"}`);
      const body = rows.map(([curve, runs]) => {
        const finished = runs.filter((run) => run.status === "finished");
        const loss = finished.length ? median(finished.map(last)).toPrecision(3) : "-";
        const cells = [curve.label, loss, `${finished.length} of ${runs.length}`, curve.settings];
        return site.element("tr", {}, ...cells.map((cell) => site.element("td", {}, cell)));
      });
      const head = ["optimizer", "last loss, median", "seeds that finished", "settings"];
      this.numbers.replaceChildren(site.element("table", { class: "docutils" },
        site.element("thead", {}, site.element("tr", {}, ...head.map((cell) => site.element("th", { scope: "col" }, cell)))),
        site.element("tbody", {}, ...body)));
    }
  }

  async function start(mount) {
    const name = mount.dataset.curves;
    site.style("_static/bundles/uplot/dist/uPlot.min.css");
    await site.script("_static/bundles/uplot/dist/uPlot.iife.min.js");
    const curves = new Curves(mount);
    if (name !== "limits") {
      const data = await site.data(`curves/${name}`);
      if (Object.keys(data.choices).length) curves.show(data);
      else mount.replaceChildren(site.element("p", {}, "No run of this experiment is published or on the machine that built this site. ",
        site.link("Convergence curves", "convergence.html"), " has the autoencoder at every setting of the limits."));
      return;
    }
    const settings = await site.data("settings");
    const entries = settings.map(([value, words]) => ({ value, words }));
    const setting = selection("Setting", entries, () => show());
    const show = async () => {
      const slug = setting.select.value;
      history.replaceState(null, "", `#${slug}`);
      curves.show(await site.data(`curves/${slug}`), [setting]);
      setting.select.focus();
    };
    const wanted = location.hash.slice(1);
    if (settings.some(([slug]) => slug === wanted)) setting.select.value = wanted;
    curves.show(await site.data(`curves/${setting.select.value}`), [setting]);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-curves]").forEach(start));
}
