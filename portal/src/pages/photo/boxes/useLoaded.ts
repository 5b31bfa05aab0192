import { useEffect, useState } from "react";

import type { Photo } from "../useImage";

/** The picture of a photo in the largest form that the browser can show; null until it is loaded. */
export function useLoaded({ originalImageUri, resizedImageUri, thumbnailUri }: Photo): HTMLImageElement | null {
  const [loaded, setLoaded] = useState<HTMLImageElement | null>(null);
  // Each answer has links with new signatures; the file behind them is the same.
  const name = new URL(originalImageUri, window.location.href).pathname;
  useEffect(() => {
    let isShown = true;
    const load = async (): Promise<void> => {
      for (const uri of [originalImageUri, resizedImageUri, thumbnailUri]) {
        const picture = new Image();
        picture.src = uri;
        try {
          await picture.decode();
        } catch {
          continue; // such as HEIF, which not every browser shows
        }
        if (isShown) setLoaded(picture);
        return;
      }
    };
    void load();
    return () => {
      isShown = false;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `name` stands for the photo
  }, [name]);
  return loaded;
}
