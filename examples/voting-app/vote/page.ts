import { escapeHtml, htmlPage } from "../shared/html.ts";

export interface VotePage {
  readonly names: Readonly<Record<"a" | "b", string>>;
  /** The container that made the page. */
  readonly container: string;
  /** What was voted for. */
  readonly vote?: "a" | "b";
  readonly trouble?: string;
}

const STYLE = `
form { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
button { padding: 2.2rem 1rem; border: 0; border-radius: .8rem; color: #fff; font: inherit; font-size: 1.5rem;
  cursor: pointer; transition: filter .15s, transform .15s; }
button:hover, button:focus-visible { filter: brightness(1.08); transform: translateY(-2px); }
#a { background: var(--a); } #b { background: var(--b); }
form.voted button:not(.mine) { opacity: .45; }
p { min-height: 1.5em; margin: 1.2rem 0 0; }
.trouble { color: #c8372d; }`;

/** The page with the two choices; the one voted for is marked. */
export function votePage({ names, container, vote, trouble }: VotePage): string {
  const [a, b] = [escapeHtml(names.a), escapeHtml(names.b)];
  const button = (key: "a" | "b", name: string) => {
    const mine = key === vote;
    return `<button id="${key}" name="vote" value="${key}"${mine ? ' class="mine"' : ""}>${name}${mine ? " ✓" : ""}</button>`;
  };
  const said = vote === undefined ? "" : `You voted for ${vote === "a" ? a : b}. You can change your mind.`;
  return htmlPage(
    `${names.a} or ${names.b}?`,
    STYLE,
    `<h1>${a} or ${b}?</h1>
<form method="post" action="/"${vote === undefined ? "" : ' class="voted"'}>
${button("a", a)}
${button("b", b)}
</form>
<p${trouble === undefined ? "" : ' class="trouble" role="alert"'}>${escapeHtml(trouble ?? "") || said}</p>
<footer>Processed by container ${escapeHtml(container)}</footer>`,
  );
}
