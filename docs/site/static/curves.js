// Convergence curves: optimizers, seeds, axis and scale to choose. <div data-curves="run/EXPERIMENT"> or "limits".
"use strict";

{
  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  const last = (run) => run.points[run.points.length - 1][1];

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
      this.chosenBy = charts.selection("Settings chosen by", names.map((value) => ({ value, words: value })), () => this.fill());
      this.axis = charts.choices("Axis", "radio", [
        { value: "iterations", label: "iterations", checked: true },
        { value: "seconds", label: "seconds" },
      ], redraw);
      this.scale = charts.choices("Log scale", "checkbox", [
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
      this.optimizers = charts.choices("Optimizers", "checkbox", curves.map((curve) => (
        { value: curve.method, label: curve.label, checked: true, color: curve.color, dash: curve.dash })), redraw);
      this.seeds = charts.choices("Seeds", "checkbox", seeds.map((seed) => (
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
      const seeds = this.seeds.chosen();
      const shown = all.filter((curve) => this.optimizers.chosen().includes(curve.method) && (axis !== "seconds" || curve.seconds));
      const lines = [];
      const rows = [];
      for (const curve of shown) {
        const factor = axis === "seconds" ? curve.seconds : 1;
        const runs = curve.runs.filter((run) => seeds.includes(String(run.seed)) && run.points.length);
        for (const run of runs) {
          const points = run.points.map(([x, y]) => [x * factor, y]);
          lines.push({ label: `${curve.label}, seed ${run.seed}`, color: curve.color, dash: curve.dash, points });
        }
        if (runs.length) rows.push([curve, runs]);
      }
      this.plot?.destroy();
      this.width = this.chart.clientWidth;
      this.plot = charts.plot(this.chart, { lines, axes: [axis, "training loss"], log: this.scale.chosen() });
      this.describe(rows, axis);
    }

    describe(rows, axis) {
      const names = rows.map(([curve]) => curve.label).join(", ");
      this.chart.setAttribute("aria-label", `${this.data.title}: training loss against ${axis}, ${names || "nothing chosen"}`);
      const body = rows.map(([curve, runs]) => {
        const finished = runs.filter((run) => run.status === "finished");
        const loss = finished.length ? median(finished.map(last)).toPrecision(3) : "-";
        return [curve.label, loss, `${finished.length} of ${runs.length}`, curve.settings];
      });
      this.numbers.replaceChildren(charts.table(["optimizer", "last loss, median", "seeds that finished", "settings"], body));
    }
  }

  async function start(mount) {
    const name = mount.dataset.curves;
    await charts.load();
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
    const setting = charts.selection("Setting", entries, () => show());
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
