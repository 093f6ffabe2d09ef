import { aborted, type Log, messageOf } from "../lib/index.ts";
import { KEPT_NEWS, remove } from "../model/index.ts";
import type { Store } from "../store/index.ts";

/** Above what is kept, before the oldest go: so many at a time. */
const SLACK = 100;

/** Forgets all but the last news, until the signal aborts. */
export async function runNewsKeeping(
  { store, log }: { readonly store: Store; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  let isBusy = false;
  const look = () => {
    const news = [...store.view.all("news")];
    if (isBusy || news.length <= KEPT_NEWS + SLACK) return;
    isBusy = true;
    const oldest = news.sort((a, b) => a.version - b.version).slice(0, news.length - KEPT_NEWS);
    // Whoever else made room has done it; the next news look again.
    store
      .update(oldest.map((one) => remove("news", one)))
      .catch((error: unknown) => log.debug("old news not forgotten", { error: messageOf(error) }))
      .finally(() => {
        isBusy = false;
      });
  };
  look();
  const unsubscribe = store.subscribe((changes) => {
    if (changes.some(({ kind, after }) => kind === "news" && after !== undefined)) look();
  });
  await aborted(signal);
  unsubscribe();
}
