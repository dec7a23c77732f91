// What the interactive parts share. Pages are opened from disk, so data come as scripts, each loaded when it is needed.
"use strict";

const siteData = {};

const site = {
  root: document.documentElement.dataset.content_root,
  scripts: {},

  script(path) {
    this.scripts[path] ??= new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = this.root + path;
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${path} cannot be read`));
      document.head.append(element);
    });
    return this.scripts[path];
  },

  style(path) {
    document.head.append(this.element("link", { rel: "stylesheet", href: this.root + path }));
  },

  async data(name) {
    await this.script(`_static/data/${name}.js`);
    return siteData[name];
  },

  // An element with attributes; what follows stands in it.
  element(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  },

  link(words, path) {
    return this.element("a", { href: this.root + path }, words);
  },
};

// What the theme leaves to do for the keyboard and for screen readers.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".caption[role=heading]").forEach((caption) => caption.setAttribute("aria-level", "2"));
  const scroll = () => document.querySelectorAll("article pre, article table, article div.math, article .math-wrapper, .picture").forEach((frame) => {
    if (frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight) frame.tabIndex = 0;
  });
  window.addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(scroll));
  window.addEventListener("resize", scroll);
  window.addEventListener("load", () => document.querySelectorAll("article img").forEach((image) => {
    if (image.closest("a") || image.src.startsWith("data:") || image.naturalWidth <= image.clientWidth) return;
    const link = site.element("a", { href: image.src }); // to the image at its full size
    image.replaceWith(link);
    link.append(image);
  }));
});
