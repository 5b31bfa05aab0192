/** The keys of undo and redo. */

interface Stroke {
  key: string;
  ctrlKey: boolean;
  metaKey?: boolean;
  shiftKey: boolean;
  altKey?: boolean;
}

/** Ctrl+Z undoes, Ctrl+Shift+Z and Ctrl+Y redo, with Command too; null for other keys. */
export function undoOf({ key, ctrlKey, metaKey = false, shiftKey, altKey = false }: Stroke): "undo" | "redo" | null {
  if (!(ctrlKey || metaKey) || altKey) return null; // Ctrl+Alt writes letters on some keyboards
  const letter = key.toLowerCase();
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && !shiftKey ? "redo" : null;
}
