// Swagger UI has dark colours, and leaves it to pages when to use them.
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);

// It gives fields no names, the keyboard no way to scroll, and the page an outline with gaps.
new MutationObserver(() => {
  const all = (selector) => document.querySelectorAll(`#swagger-ui ${selector}`);
  for (const field of all(":is([data-param-name], .servers) :is(input, select, textarea)")) {
    field.ariaLabel = field.closest("[data-param-name]")?.dataset.paramName ?? "Server";
  }
  for (const text of all("pre.microlight")) text.tabIndex = 0;
  for (const heading of all(":is(h3, h4, h5)")) heading.ariaLevel = heading.tagName[1] - 1;
  for (const part of all(":is(.information-container, .scheme-container)")) {
    part.role = "region";
    part.ariaLabel = part.matches(".scheme-container") ? "Server and authorization" : "About";
  }
}).observe(document.documentElement, { childList: true, subtree: true });
