import { describe, expect, it, vi } from "vitest";

import { type Around, loadPage } from "./loadPage";

vi.mock("./connection", () => ({ suspectLoss: vi.fn() }));

function around(changes: Partial<Around> = {}): Around {
  const kept = new Map<string, string>();
  return {
    isReachable: () => Promise.resolve(true),
    untilReachable: () => Promise.resolve(),
    reload: vi.fn(() => Promise.resolve()),
    build: "index-1.js",
    kept: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) },
    ...changes,
  };
}

const gone = (): Promise<string> => Promise.reject(new TypeError("Failed to fetch"));

describe("loadPage", () => {
  it("waits while the server does not answer, and loads nothing again but the page", async () => {
    let answers = false;
    const lost = around({
      isReachable: () => Promise.resolve(answers),
      untilReachable: () => {
        answers = true;
        return Promise.resolve();
      },
    });
    expect(await loadPage(() => (answers ? Promise.resolve("page") : gone()), lost)).toBe("page");
    expect(lost.reload).not.toHaveBeenCalled();
  });

  it("loads the document again once for a build, then passes the error on", async () => {
    const updated = around();
    await expect(loadPage(gone, updated)).rejects.toThrow("Failed to fetch");
    expect(updated.reload).toHaveBeenCalledTimes(1);
    await expect(loadPage(gone, updated)).rejects.toThrow("Failed to fetch");
    expect(updated.reload).toHaveBeenCalledTimes(1);
    await expect(loadPage(gone, { ...updated, build: "index-2.js" })).rejects.toThrow("Failed to fetch");
    expect(updated.reload).toHaveBeenCalledTimes(2);
  });
});
