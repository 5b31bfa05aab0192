/** Photos scaled to what the server takes: a phone's photo is larger than a test needs. */
export interface Limits {
  maxImageMb?: number;
  maxEdge?: number;
}

const EDGE = 2048;
const QUALITY = 0.9;

/** The size that a photo is scaled to, with its proportions. */
export function fitting(width: number, height: number, edge = EDGE): { width: number; height: number } {
  const factor = Math.min(1, edge / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

/** The photo as it is, or a smaller JPEG where the server would refuse it; one that the browser cannot read stays. */
export async function scaled(photo: Blob, limits: Limits): Promise<Blob> {
  let bitmap: ImageBitmap;
  const isHeavy = photo.size > (limits.maxImageMb ?? Infinity) * 1024 * 1024;
  try {
    bitmap = await createImageBitmap(photo);
  } catch {
    return photo; // the server reads more formats, and says what is wrong with it
  }
  try {
    if (!isHeavy && Math.max(bitmap.width, bitmap.height) <= (limits.maxEdge ?? Infinity)) return photo;
    return await drawn(bitmap, fitting(bitmap.width, bitmap.height));
  } finally {
    bitmap.close();
  }
}

/** A JPEG of what is drawn at a size. */
export function drawn(source: CanvasImageSource, size: { width: number; height: number }): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  canvas.getContext("2d")?.drawImage(source, 0, 0, size.width, size.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("empty canvas"))), "image/jpeg", QUALITY);
  });
}
