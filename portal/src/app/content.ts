/** The element that a page is in: below a project's name and tabs, or else below the header. */
export const CONTENT = "content";
export const PROJECT_PAGE = "page";

/** Move the focus to the page, unless the page has moved it into itself already. */
export function toContent(): void {
  const content = document.getElementById(PROJECT_PAGE) ?? document.getElementById(CONTENT);
  const focused = document.activeElement;
  if (content && focused !== content && content.contains(focused)) return;
  content?.focus({ preventScroll: true });
}
