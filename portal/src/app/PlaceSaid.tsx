/** The document's title, and on a change of page its announcement and the focus, as if the document were new. */
import { VisuallyHidden } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import { toContent } from "./content";
import { documentTitle, usePlace, useProjectName } from "./place";

export function PlaceSaid(): React.JSX.Element {
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
  return <VisuallyHidden aria-live="polite">{said}</VisuallyHidden>;
}
