/** Around all pages: the document's title; a change of page is announced and gets the focus, as a new document does. */
import { VisuallyHidden } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Outlet, ScrollRestoration } from "react-router";

import { toContent } from "./content";
import { documentTitle, usePlace, useProjectName } from "./place";

export function Root(): React.JSX.Element {
  const { page, title, projectId } = usePlace();
  const full = documentTitle(title, useProjectName(projectId));
  const shown = useRef(page);
  const [said, setSaid] = useState("");
  useEffect(() => {
    document.title = full;
  }, [full]);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    setSaid(title);
    toContent();
  }, [page, title]);
  return (
    <>
      <VisuallyHidden aria-live="polite">{said}</VisuallyHidden>
      <Outlet />
      <ScrollRestoration />
    </>
  );
}
