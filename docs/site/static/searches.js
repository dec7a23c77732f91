// The best loss so far by trials: a chart for each experiment that is chosen. <div data-searches>
"use strict";

{
  const LOSSES = { train_loss: "training loss", validation_loss: "validation loss" };
  const FIRST = ["autoencoder", "autoencoder-levers"]; // what is shown before anything is chosen

  function panel({ experiment, score, searches }, loss, log) {
    const lines = searches.filter((search) => search.best[loss].length).map((search) => {
      const points = search.best[loss].map(([trial, value]) => [trial, value]);
      return { ...search, points: [...points, [search.trials, points[points.length - 1][1]]] };
    });
    const names = lines.map((line) => line.label).join(", ");
    const words = `${experiment}: best ${LOSSES[loss]} so far against trials, ${names || "nothing chosen"}`;
    const chart = site.element("div", { class: "chart", role: "img", "aria-label": words });
    const caption = site.element("figcaption", {}, site.link(experiment, `experiments/${experiment}.html`), `: ${score}`);
    const figure = site.element("figure", {}, caption, chart);
    figure.draw = () => charts.plot(chart, { lines, axes: ["trials", `best ${LOSSES[loss]}`], log, stepped: true });
    return figure;
  }

  function row(experiment, search, loss) {
    const [trial, value, settings] = search.best[loss][search.best[loss].length - 1] ?? ["-", null, "-"];
    return [experiment, search.label, value?.toPrecision(3) ?? "-", `${trial} of ${search.trials}`, search.diverged, settings];
  }

  async function start(mount) {
    const [all] = await Promise.all([site.data("searches"), charts.load()]);
    const methods = new Map(all.flatMap(({ searches }) => searches.map((search) => [search.method, search])));
    const panels = site.element("div", { class: "panels" });
    const numbers = site.element("div", { class: "numbers", "aria-live": "polite" });
    let width;
    let plots = [];

    const draw = () => {
      plots.forEach((plot) => plot.destroy());
      const [loss] = losses.chosen();
      const shown = all.filter(({ experiment }) => experiments.chosen().includes(experiment)).map((one) => (
        { ...one, searches: one.searches.filter(({ method }) => optimizers.chosen().includes(method)) }));
      const figures = shown.map((one) => panel(one, loss, scale.chosen()));
      panels.replaceChildren(...figures);
      plots = figures.map((figure) => figure.draw());
      width = panels.clientWidth;
      const rows = shown.flatMap((one) => one.searches.map((search) => row(one.experiment, search, loss)));
      numbers.replaceChildren(charts.table(["experiment", "optimizer", "best loss", "at trial", "diverged", "settings"], rows));
    };
    const experiments = charts.choices("Experiments", "checkbox", all.map(({ experiment }) => (
      { value: experiment, label: experiment, checked: FIRST.includes(experiment) })), draw);
    const optimizers = charts.choices("Optimizers", "checkbox", [...methods.values()].map((search) => (
      { ...search, value: search.method, checked: true })), draw);
    const losses = charts.choices("Loss", "radio", Object.entries(LOSSES).map(([value, label], i) => (
      { value, label, checked: i === 0 })), draw);
    const scale = charts.choices("Log scale", "checkbox", [
      { value: "y", label: "loss", checked: true },
      { value: "x", label: "trials" },
    ], draw);
    mount.replaceChildren(site.element("div", { class: "controls" }, experiments, optimizers, losses, scale), panels, numbers);
    draw();
    new ResizeObserver(() => panels.clientWidth !== width && draw()).observe(panels);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-searches]").forEach(start));
}
