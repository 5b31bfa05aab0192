/** The second click of a double click: buttons do not act twice when people click as they do in a file manager. */

const ONCE = ".mantine-Button-root, button[type=submit]";
const REPEATABLE = "[data-repeatable]";

/**
 * Stops repeated clicks on buttons before anything hears them, but on those with `data-repeatable`: undo, next and
 * others that are meant to be clicked quickly.
 *
 * @returns what ends it.
 */
export function ignoreDoubleClicks(page: Document): () => void {
  const stop = (event: MouseEvent): void => {
    if (!isRepeated(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  page.addEventListener("click", stop, { capture: true });
  return () => page.removeEventListener("click", stop, { capture: true });
}

function isRepeated({ detail, target }: MouseEvent): boolean {
  if (detail < 2 || !(target instanceof Element)) return false; // keys have the detail 0
  const button = target.closest(ONCE);
  return button !== null && !button.matches(REPEATABLE);
}
