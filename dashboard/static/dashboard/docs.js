// Swagger UI has dark colours, and leaves it to pages when to use them.
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
