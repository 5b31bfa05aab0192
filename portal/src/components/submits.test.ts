import { MutationObserver, QueryClient } from "@tanstack/react-query";
import { expect, test, vi } from "vitest";

import { forgetError, isSent } from "./submits";

test("a form is sent once, unless sending it failed", async () => {
  const answers = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new Error("taken")).mockResolvedValue("made");
  const mutation = new MutationObserver<string>(new QueryClient(), { mutationFn: answers });
  expect(isSent(mutation.getCurrentResult())).toBe(false);
  const failing = mutation.mutate();
  expect(isSent(mutation.getCurrentResult())).toBe(true);
  await expect(failing).rejects.toThrow("taken");
  expect(isSent(mutation.getCurrentResult())).toBe(false);
  await mutation.mutate();
  expect(isSent(mutation.getCurrentResult())).toBe(true);
});

test("typing takes an error away, and leaves what is on its way", async () => {
  const mutation = new MutationObserver<string>(new QueryClient(), {
    mutationFn: () => Promise.reject(new Error("taken")),
  });
  const failing = mutation.mutate();
  forgetError(mutation.getCurrentResult());
  expect(mutation.getCurrentResult().isPending).toBe(true);
  await expect(failing).rejects.toThrow("taken");
  forgetError(mutation.getCurrentResult());
  expect(mutation.getCurrentResult()).toMatchObject({ error: null, isIdle: true });
});
