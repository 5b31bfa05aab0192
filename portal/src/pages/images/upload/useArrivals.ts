/** Files that are dropped on the page or pasted into it. */
import { useEffect, useState } from "react";

import { announceError } from "@/components/announce";
import { texts } from "@/texts";

import { droppedFiles, pickedFiles } from "./dropped";

type Located = ReturnType<typeof pickedFiles>;

/** @returns whether files are held over the page now. */
export function useArrivals(onFiles: (files: Located) => void): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    const listen = <K extends keyof WindowEventMap>(name: K, hear: (event: WindowEventMap[K]) => void): void =>
      window.addEventListener(name, hear, { signal: end.signal });
    listen("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      setOver(true);
    });
    listen("dragleave", (event) => {
      if (event.relatedTarget === null) setOver(false);
    });
    listen("drop", (event) => {
      setOver(false);
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      droppedFiles(event.dataTransfer).then(onFiles, announceError);
    });
    listen("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      const named = (file: File): File =>
        file.name === "image.png" ? new File([file], texts.upload.pasted, { type: file.type }) : file;
      onFiles(pickedFiles(files.map(named)));
    });
    return () => end.abort();
  }, [onFiles]);
  return isOver;
}
