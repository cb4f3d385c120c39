// Brings the page to life: opens what a link names, zooms the graph, filters the list, unpacks packed details.
// It fetches nothing, keeps nothing, and makes HTML of nothing but what the page itself holds, escaped already.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const blocks = new Map();
  // Each part begins in a task of its own, so that none of them keeps the page waiting for long.
  const parts = [];
  const begin = () => {
    const part = parts.shift();
    if (!part) {
      document.documentElement.dataset.ready = "";
      return;
    }
    part();
    setTimeout(begin);
  };

  // ------------------------------------------------------------------------------------------- packed details
  const unpack = (number) => {
    if (!blocks.has(number)) {
      blocks.set(number, (async () => {
        const bytes = Uint8Array.from(atob(one("#p" + number).textContent), (c) => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        return JSON.parse(await new Response(stream).text());
      })());
    }
    return blocks.get(number);
  };
  const fill = async (details) => {
    const slot = details.querySelector(":scope > div > [data-p]");
    if (!slot || slot.dataset.busy) return;
    slot.dataset.busy = "1";
    const [block, index] = slot.dataset.p.split(".");
    try {
      slot.parentElement.innerHTML = (await unpack(block))[index];
    } catch (error) {
      slot.textContent = "This browser can't unpack the details: one of 2023 or later can.";
    }
  };
  document.addEventListener("toggle", (event) => {
    if (event.target.open) fill(event.target);
  }, true);
  parts.push(() => all("details[open]").forEach(fill));

  // ------------------------------------------------------------------------------------------- links to steps
  const show = async () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const place = name && document.getElementById(name);
    const details = place && place.closest("details");
    if (!details) return;
    for (let around = details; around; around = around.parentElement.closest("details")) {
      around.hidden = false;
      around.open = true;
      await fill(around);
    }
    details.scrollIntoView({ block: "start" });
    details.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", show);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#s-']");
    if (link && link.getAttribute("href") === location.hash) show();
  });
  parts.push(show);

  // ---------------------------------------------------------------------------- arrow keys in graph and timeline
  const middle = (element) => {
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const next = (from, links, [dx, dy]) => {
    const [x, y] = middle(from);
    let best = null, least = Infinity;
    for (const link of links) {
      const [a, b] = middle(link);
      const along = (a - x) * dx + (b - y) * dy;
      const aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (link !== from && along > 1 && along + 3 * aside < least) [best, least] = [link, along + 3 * aside];
    }
    return best;
  };
  for (const drawing of all("svg.graph, svg.clock")) {
    // One stop of the tab key for each drawing; the arrow keys go on from there.
    parts.push(() => all("a", drawing).forEach((link, index) => link.setAttribute("tabindex", index ? "-1" : "0")));
    drawing.addEventListener("keydown", (event) => {
      const from = event.target.closest("a");
      if (!from || !ways[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      const to = next(from, all("a", drawing), ways[event.key]);
      if (!to) return;
      from.setAttribute("tabindex", "-1");
      to.setAttribute("tabindex", "0");
      to.focus();
    });
  }

  // --------------------------------------------------------------------------------------------- pan and zoom
  const pan = one(".pan");
  if (pan) {
    const drawing = pan.querySelector("svg"), sizer = pan.querySelector(".sizer");
    const width = +drawing.getAttribute("width"), height = +drawing.getAttribute("height");
    let scale = 1;
    const zoom = (wanted, x = pan.clientWidth / 2, y = pan.clientHeight / 2) => {
      const to = Math.min(4, Math.max(0.02, wanted));
      const left = (pan.scrollLeft + x) * to / scale - x, top = (pan.scrollTop + y) * to / scale - y;
      scale = to;
      drawing.style.transform = `scale(${to})`;
      sizer.style.width = width * to + "px";
      sizer.style.height = height * to + "px";
      pan.scrollTo(left, top);
    };
    const fit = () => zoom(Math.min(1, pan.clientWidth / width, Math.min(innerHeight * 0.7, 560) / height));
    const act = (factor) => (factor ? zoom(scale * factor) : fit());
    one(".tools").hidden = false;
    for (const button of all("[data-zoom]")) button.addEventListener("click", () => act(+button.dataset.zoom));
    pan.addEventListener("keydown", (event) => {
      const factor = { "+": 1.25, "=": 1.25, "-": 0.8, "0": 0 }[event.key];
      if (factor === undefined || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      act(factor);
    });
    pan.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const box = pan.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.x, event.clientY - box.y);
    }, { passive: false });
    let grip = null, moved = false;
    pan.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType !== "mouse") return;
      grip = [event.clientX + pan.scrollLeft, event.clientY + pan.scrollTop, event.clientX, event.clientY];
      moved = false;
    });
    addEventListener("pointermove", (event) => {
      if (!grip) return;
      moved = moved || Math.hypot(event.clientX - grip[2], event.clientY - grip[3]) > 4;
      if (moved) pan.scrollTo(grip[0] - event.clientX, grip[1] - event.clientY);
    });
    addEventListener("pointerup", () => { grip = null; });
    pan.addEventListener("dragstart", (event) => event.preventDefault());
    pan.addEventListener("click", (event) => {
      if (moved) event.preventDefault();
      moved = false;
    }, true);
    // A large graph begins at a size that can be read, at its top.
    parts.push(() => {
      const whole = Math.min(1, pan.clientWidth / width);
      zoom(whole < 0.45 ? 0.7 : whole);
      pan.scrollTo(Math.max(0, (width * scale - pan.clientWidth) / 2), 0);
    });
  }

  // --------------------------------------------------------------------------------------------------- filter
  const form = one("#filter");
  if (form) {
    form.hidden = false;
    const rows = [], around = [], names = [];
    const field = form.querySelector("input[type=search]"), told = form.querySelector("output");
    parts.push(() => {
      for (const row of all("#list details")) (row.querySelector(".instances > *") ? around : rows).push(row);
      names.push(...rows.map((row) => row.querySelector("b").textContent.toLowerCase()));
      if (field.value) apply();
    });
    const apply = () => {
      const wanted = field.value.trim().toLowerCase();
      const states = new Set(all("input[type=checkbox]:checked", form).map((box) => box.value));
      let count = 0;
      rows.forEach((row, index) => {
        const shown = names[index].includes(wanted) && states.has(row.dataset.o);
        if (row.hidden === shown) row.hidden = !shown;
        count += shown;
      });
      for (const group of around) {
        const empty = !group.querySelector("details:not([hidden])");
        if (group.hidden !== empty) group.hidden = empty;
      }
      told.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    const each = async (open) => {
      const shown = all("#list details").filter((row) => !row.hidden && row.open !== open);
      for (let start = 0; start < shown.length; start += 10) {
        for (const row of shown.slice(start, start + 10)) row.open = open;
        await new Promise((resume) => setTimeout(resume));
      }
    };
    for (const button of all("[data-all]")) {
      button.addEventListener("click", () => each(button.dataset.all === "open"));
    }
  }
  requestAnimationFrame(() => setTimeout(begin));
})();
