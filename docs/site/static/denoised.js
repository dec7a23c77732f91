// Unseen images as each method denoises them, by iteration. <div data-denoised>
"use strict";

{
  const decibels = (value) => `${value.toFixed(1)} dB`;

  // A column of the pictures: a name, images below one another, and their quality.
  function column(name) {
    const image = site.element("img");
    const quality = site.element("span", { class: "quality" });
    const figure = site.element("figure", {}, site.element("figcaption", {}, name), image, quality);
    figure.show = (picture, words, measured) => {
      image.hidden = !picture;
      if (picture) image.src = `data:image/png;base64,${picture}`;
      image.alt = words;
      quality.textContent = measured;
      return figure;
    };
    return figure;
  }

  async function start(mount) {
    const { clean, noisy, noisy_psnr: noisyQuality, seed, runs } = await site.data("denoised");
    const iterations = [...new Set(runs.flatMap((run) => run.steps.map((step) => step.iteration)))].sort((a, b) => a - b);
    const slider = site.element("input", { type: "range", min: 0, max: iterations.length - 1, value: iterations.length - 1 });
    const output = site.element("output");
    const columns = runs.map((run) => column(run.label));
    const pictures = site.element("div", { class: "pictures" },
      column("clean").show(clean, "Clean images", "-"),
      column("noisy").show(noisy, "The same images with noise", decibels(noisyQuality)), ...columns);
    const at = (run, iteration) => run.steps.find((step) => step.iteration === iteration);
    const rows = iterations.map((iteration) => [iteration, ...runs.map((run) => at(run, iteration)?.psnr.toFixed(2) ?? "diverged")]);
    const table = charts.table(["iteration", ...runs.map((run) => `${run.label}, dB`)], rows);
    const show = () => {
      const iteration = iterations[slider.value];
      output.value = iteration;
      slider.setAttribute("aria-valuetext", `iteration ${iteration}`);
      runs.forEach((run, i) => {
        const step = at(run, iteration);
        const words = `The noisy images denoised by ${run.label} at iteration ${iteration}`;
        columns[i].show(step?.picture, words, step ? decibels(step.psnr) : "diverged");
      });
      table.querySelectorAll("tbody tr").forEach((row, i) => row.classList.toggle("wanted", i === Number(slider.value)));
    };
    slider.addEventListener("input", show);
    mount.replaceChildren(
      site.element("div", { class: "controls" }, site.element("label", {}, "Iteration ", slider), output), pictures,
      site.element("p", {}, `Seed ${seed}, with the settings of the default runs:`),
      site.element("ul", {}, ...runs.map((run) => site.element("li", {}, `${run.label}: ${run.settings}`))),
      site.element("h2", {}, "PSNR by iteration"), table);
    show();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-denoised]").forEach(start));
}
