import { useLocalStorage } from "@mantine/hooks";

/** What the user found to be right, kept in this browser. */
export function useChecked(iteration: string): { has: (id: string) => boolean; add: (id: string) => void } {
  const [checked, setChecked] = useLocalStorage<string[]>({
    key: `dahlia.checked.${iteration}`,
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  return {
    has: (id) => checked.includes(id),
    add: (id) => setChecked((before) => [...before.filter((other) => other !== id), id]),
  };
}
