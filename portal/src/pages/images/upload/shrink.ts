/** Photos that the server would refuse for their size, made small enough by the browser. */

const QUALITY = 0.92;
const STEP = 0.8;
const LEAST_EDGE = 256;

export interface Room {
  bytes: number;
  /** Pixels of the longer side. */
  edge: number;
}

/** The edges of a photo within the largest one. */
export function fitted(width: number, height: number, edge: number): [number, number] {
  const share = Math.min(1, edge / Math.max(width, height));
  return [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
}

/**
 * A photo as a JPEG that fits: first with its own size, then smaller and smaller.
 *
 * @throws if the browser cannot read it.
 */
export async function shrunk(photo: Blob, room: Room): Promise<Blob> {
  const bitmap = await createImageBitmap(photo);
  try {
    for (let edge = Math.min(room.edge, Math.max(bitmap.width, bitmap.height)); ; edge = Math.floor(edge * STEP)) {
      const [width, height] = fitted(bitmap.width, bitmap.height, edge);
      const made = await drawn(bitmap, width, height);
      if (made.size <= room.bytes || edge < LEAST_EDGE) return made;
    }
  } finally {
    bitmap.close();
  }
}

async function drawn(bitmap: ImageBitmap, width: number, height: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("the browser gives no canvas");
  context.fillStyle = "white"; // what is transparent
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
