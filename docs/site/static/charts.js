// What the interactive parts share beside `site`: boxes to tick, lists to choose from, line charts and tables of numbers.
"use strict";

const charts = {
  DASHES: { "-": [], "--": [8, 4], "-.": [8, 3, 2, 3], ":": [2, 3] },
  count: 0,

  async load() {
    site.style("_static/bundles/uplot/dist/uPlot.min.css");
    await site.script("_static/bundles/uplot/dist/uPlot.iife.min.js");
  },

  // A background that shows how a line is drawn.
  stripes(color, dash) {
    let end = 0;
    const stops = this.DASHES[dash].map((length, i) => `${i % 2 ? "transparent" : color} ${end}px ${end += length}px`);
    return stops.length ? `repeating-linear-gradient(90deg, ${stops.join(", ")})` : color;
  },

  // A group of checkboxes or radio buttons; `changed` is called after each change.
  choices(legend, type, entries, changed) {
    const name = `choice-${this.count++}`;
    const group = site.element("fieldset", {}, site.element("legend", {}, legend));
    for (const { value, label, checked, color, dash } of entries) {
      const input = site.element("input", { type, name, value });
      input.checked = checked;
      input.addEventListener("change", changed);
      const words = site.element("label", {}, input, " ");
      if (color) words.append(site.element("span", { class: "swatch", style: `background: ${this.stripes(color, dash)}` }), " ");
      words.append(label);
      group.append(words);
    }
    group.chosen = () => [...group.querySelectorAll("input:checked")].map((input) => input.value);
    return group;
  },

  selection(label, entries, changed) {
    const select = site.element("select");
    for (const { value, words } of entries) select.append(site.element("option", { value }, words));
    select.addEventListener("change", changed);
    const element = site.element("label", {}, `${label} `, select);
    element.select = select;
    return element;
  },

  // A line chart that fills the width of `chart`. lines: label, color, dash and points; axes: the labels of both; log: "x"
  // and "y", where the scale is logarithmic; stepped: x is whole, and a line keeps its height up to the next point.
  plot(chart, { lines, axes, log, stepped = false }) {
    const width = chart.clientWidth;
    const color = getComputedStyle(chart).color;
    const ticks = { stroke: color, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884" } };
    const number = (value) => (value === null ? "" : Number(value.toPrecision(3)).toString());
    const values = (_, splits) => splits.map(number);
    const scale = (letter) => (log.includes(letter)
      ? { time: false, distr: 3, range: (_, low, high) => (low ? [low / 1.05, high * 1.05] : [1, 10]) }
      : { time: false, distr: 1 });
    const tables = lines.map((line) => line.points.filter(([x]) => x > 0 || !log.includes("x")))
      .map((points) => [points.map(([x]) => x), points.map(([, y]) => y)]);
    const series = lines.map((line) => ({
      label: line.label, stroke: line.color, width: 1.5, dash: this.DASHES[line.dash], points: { show: false }, spanGaps: true,
      ...(stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
    }));
    return new uPlot({
      width, height: Math.min(420, Math.max(280, width * 0.55)),
      scales: { x: scale("x"), y: scale("y") },
      axes: [{ ...ticks, label: axes[0], values, ...(stepped ? { incrs: [1, 2, 5, 10, 20, 50] } : {}) }, { ...ticks, label: axes[1], size: 64, values }],
      legend: { show: false }, cursor: { drag: { x: true, y: true } }, series: [{ label: axes[0] }, ...series],
    }, tables.length ? uPlot.join(tables) : [[]], chart);
  },

  table(head, rows) {
    return site.element("table", { class: "docutils" },
      site.element("thead", {}, site.element("tr", {}, ...head.map((cell) => site.element("th", { scope: "col" }, cell)))),
      site.element("tbody", {}, ...rows.map((row) => site.element("tr", {}, ...row.map((cell) => site.element("td", {}, cell))))));
  },
};
