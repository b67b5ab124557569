"use strict";
/* Works by delegation: a section may be replaced at any time. */
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const table = { column: "task", down: false, most: 0, data: null, from: null };
  const units = ["B", "KiB", "MiB", "GiB"];

  function sizeText(size) {
    for (const unit of units) {
      if (size < 1024) return unit === "B" ? size.toFixed(0) + " B" : size.toFixed(1) + " " + unit;
      size /= 1024;
    }
    return size.toFixed(1) + " TiB";
  }
  function secondsText(seconds) {
    if (seconds < 0.0995) return (seconds * 1000).toFixed(0) + " ms";
    if (seconds < 9.995) return seconds.toFixed(2) + " s";
    if (seconds < 99.95) return seconds.toFixed(1) + " s";
    const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return (hours ? hours + ":" + two(minutes) : minutes) + ":" + two(whole % 60);
  }
  function cellText(column, value) {
    if (value === null) return "";
    if (column === "started" || column === "seconds") return secondsText(value);
    if (column.includes("bytes")) return sizeText(value);
    return typeof value === "number" ? value.toLocaleString("en-US") : value;
  }

  /* The rows of the page's data, read once for each element that holds them. */
  function tasks() {
    const element = document.getElementById("data");
    if (!element) return null;
    if (table.from !== element) {
      table.from = element;
      table.data = JSON.parse(element.textContent).tasks;
    }
    return table.data;
  }
  function taskOrder(name) {
    const found = /^(?:(\d+):)?(\w+)-(\d+)$/.exec(name);
    if (!found) return [0, 0, 0];
    return [Number(found[1] || 0), ["split", "map", "reduce"].indexOf(found[2]), Number(found[3])];
  }
  function compared(a, b, column) {
    if (column === "task") {
      const one = taskOrder(a), two = taskOrder(b);
      return one[0] - two[0] || one[1] - two[1] || one[2] - two[2];
    }
    if (typeof a === "string") return a < b ? -1 : a > b ? 1 : 0;
    return (a ?? -1) - (b ?? -1);
  }
  function chosen(data) {
    const text = ($('[data-filter="text"]')?.value || "").toLowerCase();
    const state = $('[data-filter="state"]')?.value || "";
    const at = (name) => data.columns.indexOf(name);
    const [name, endpoint, is] = [at("task"), at("endpoint"), at("state")];
    const rows = data.rows.filter((row) => (!state || row[is] === state) &&
      (!text || row[name].includes(text) || row[endpoint].toLowerCase().includes(text)));
    const column = at(table.column), sign = table.down ? -1 : 1;
    return rows.sort((a, b) => sign * compared(a[column], b[column], table.column));
  }
  function showTasks() {
    const body = $("[data-tasks] tbody"), tools = $(".tools[data-shown]"), data = tasks();
    if (!body || !data) return;
    const step = Number(tools.dataset.shown);
    table.most = Math.max(table.most, step);
    const rows = chosen(data), made = document.createDocumentFragment();
    for (const row of rows.slice(0, table.most)) {
      const line = document.createElement("tr");
      data.columns.forEach((column, n) => {
        const cell = document.createElement(n ? "td" : "th");
        if (!n) cell.scope = "row";
        if (n === 2 || n > 3) cell.className = "num";
        cell.textContent = cellText(column, row[n]);
        line.append(cell);
      });
      made.append(line);
    }
    body.replaceChildren(made);
    const most = Math.min(rows.length, table.most).toLocaleString("en-US");
    const left = data.left_out ? "; " + data.left_out.toLocaleString("en-US") + " faster ones are not in this page" : "";
    $("[data-count]").textContent = most + " of " + rows.length.toLocaleString("en-US") + " tasks" + left;
    const more = $("[data-more]");
    if (more) more.hidden = rows.length <= table.most;
    for (const button of document.querySelectorAll("[data-sort]")) {
      const head = button.closest("th");
      if (button.dataset.sort !== table.column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", table.down ? "descending" : "ascending");
    }
  }
  function csv(data) {
    const quoted = (value) => {
      let text = value === null ? "" : String(value);
      /* a spreadsheet would take such a text for a formula */
      if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
      return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
    };
    return [data.columns, ...chosen(data)].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  }
  function download(name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function copy(button) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => { button.textContent = before; }, 2500);
  }

  /* More attempts than an SVG can hold: cells of row, column, columns, kind. */
  const kinds = ["done", "backup", "running", "failed", "cancelled", "ended"];
  function draw(canvas) {
    const source = document.getElementById(canvas.dataset.cells);
    if (!source) return;
    const cells = JSON.parse(source.textContent), height = Number(canvas.dataset.height);
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
    const tall = canvas.dataset.tall || (canvas.dataset.tall = canvas.getAttribute("height"));
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(Number(tall) * ratio);
    canvas.style.height = tall + "px";
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const scale = canvas.width / Number(canvas.dataset.columns), row = height * ratio;
    const gap = height > 3 ? ratio : 0;
    /* the rare kinds last, so that they are seen */
    for (const kind of [0, 1, 5, 2, 4, 3]) {
      pen.fillStyle = style.getPropertyValue("--" + kinds[kind]);
      for (let n = 0; n < cells.length; n += 4) {
        if (cells[n + 3] !== kind) continue;
        const wide = Math.max(kind === 0 ? 1 : 2 * ratio, cells[n + 2] * scale - (cells[n + 2] * scale > 3 ? 1 : 0));
        pen.fillRect(cells[n + 1] * scale, cells[n] * row, wide, Math.max(1, row - gap));
      }
    }
  }
  function drawAll() { document.querySelectorAll("canvas[data-cells]").forEach(draw); }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy !== undefined) copy(button);
    else if (button.dataset.sort) {
      table.down = table.column === button.dataset.sort ? !table.down : !["task", "state", "endpoint"].includes(button.dataset.sort);
      table.column = button.dataset.sort;
      showTasks();
    } else if (button.dataset.more !== undefined) {
      table.most += 200;
      showTasks();
    } else if (button.dataset.csv && tasks()) download(button.dataset.csv, csv(tasks()));
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-filter]")) showTasks();
  });
  let waiting = 0;
  function drawSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll);
  }
  addEventListener("resize", drawSoon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes]);
    if (added.some((node) => node.nodeType === 1 && (node.matches("canvas[data-cells]") || $("canvas[data-cells]", node)))) drawSoon();
  }).observe(document.body, { childList: true, subtree: true });
  drawAll();
})();
