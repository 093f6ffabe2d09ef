/** Text as HTML shows it. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (sign) => names[sign] ?? sign);
}

/** A whole page in the app's look. `body` and `style` are HTML and CSS as they are. */
export function htmlPage(title: string, style: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
:root { --a: #1f8fb8; --b: #0f9d6e; --ink: #1d2733; --quiet: #66727f; --paper: #f5f7f9; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --quiet: #93a1b0; --paper: #12181f; --card: #1c242d; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 1.05rem/1.5 system-ui, sans-serif; }
main { width: min(34rem, 92vw); text-align: center; }
h1 { font-weight: 600; font-size: 1.9rem; margin: 0 0 1.5rem; }
footer { margin-top: 1.5rem; font-size: .85rem; color: var(--quiet); }
${style}
</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
