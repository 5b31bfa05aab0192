import { useLocalStorage } from "@mantine/hooks";
import { useMemo } from "react";

const MOST = 5000;

/** Suggestions that were rejected in this browser: they are not shown again, and their photos stay untagged. */
export function useRejected(iterationId: string) {
  const [ids, keep] = useLocalStorage<string[]>({
    key: `dahlia.rejected.${iterationId}`,
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const rejected = useMemo(() => new Set(ids), [ids]);
  return {
    rejected,
    reject: (more: readonly string[]) => keep([...new Set([...ids, ...more])].slice(-MOST)),
    restore: () => keep([]),
  };
}
