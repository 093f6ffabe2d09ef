import { escapeHtml, htmlPage } from "../shared/html.ts";

const STYLE = `
.bar { display: flex; height: 9rem; border-radius: .8rem; overflow: hidden; color: #fff; }
.bar div { display: grid; place-content: center; min-width: 5.5rem; flex: 1 1 0; transition: flex-grow .5s; }
#a { background: var(--a); } #b { background: var(--b); }
.share { font-size: 1.9rem; font-weight: 600; }
#said { margin: 1.2rem 0 0; color: var(--quiet); }`;

/** Asks for the counts every second and shows them. */
const SCRIPT = `
const part = (id) => document.getElementById(id);
function show({ a, b }) {
  const total = a + b;
  for (const [id, count] of [["a", a], ["b", b]]) {
    const share = total === 0 ? 50 : (100 * count) / total;
    part(id).style.flexGrow = share;
    part(id).querySelector(".share").textContent = share.toFixed(1) + " %";
  }
  part("said").textContent = total === 0 ? "No votes yet" : total === 1 ? "1 vote" : total + " votes";
}
async function look() {
  try {
    const answer = await fetch("/api/votes");
    if (answer.ok) show(await answer.json());
    else part("said").textContent = "Waiting for the database";
  } catch {
    part("said").textContent = "Waiting for the result service";
  }
  setTimeout(look, 1000);
}
look();`;

/** The page with one bar, split as the votes are. */
export function resultPage(names: Readonly<Record<"a" | "b", string>>): string {
  const [a, b] = [escapeHtml(names.a), escapeHtml(names.b)];
  return htmlPage(
    `${names.a} or ${names.b}: the result`,
    STYLE,
    `<h1>${a} or ${b}: the result</h1>
<div class="bar">
<div id="a"><span>${a}</span><span class="share">50.0 %</span></div>
<div id="b"><span>${b}</span><span class="share">50.0 %</span></div>
</div>
<p id="said" aria-live="polite">Counting</p>
<script>${SCRIPT}</script>`,
  );
}
