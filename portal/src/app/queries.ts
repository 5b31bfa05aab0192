import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "@/api/errors";
import { onKeyChange } from "@/api/session";

const TRIES = 2;

function isWorthAnother(failures: number, error: Error): boolean {
  return error instanceof ApiError && error.unreachable && failures < TRIES;
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: isWorthAnother, staleTime: 5_000, networkMode: "always" },
    mutations: { networkMode: "always" },
  },
});

/** Forget what one key was shown before another one asks. */
export function forgetWithKey(): void {
  onKeyChange(() => queries.clear());
}
