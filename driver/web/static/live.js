"use strict";
/* After a message: sort and filter the table of tasks again, if the user has chosen to. */
(() => {
  let chosen = false;
  const choice = "[data-filter], [data-sort], [data-more]";
  for (const kind of ["input", "click"]) {
    document.addEventListener(kind, (event) => {
      if (event.isTrusted && event.target.closest?.(choice)) chosen = true;
    });
  }
  document.addEventListener("htmx:sse:after:message", () => {
    const filter = chosen && document.querySelector('[data-filter="text"]');
    if (filter) filter.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
