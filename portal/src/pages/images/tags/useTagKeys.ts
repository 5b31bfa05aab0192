/** The keys of a project's tags, which this browser remembers. */
import { useLocalStorage } from "@mantine/hooks";
import { useEffect, useMemo } from "react";

import type { Schemas } from "@/api/client";

import { type KeysOfTags, assigned, reassigned } from "./tagKeys";

export function useTagKeys(project: string, tags: readonly Schemas["Tag"][]) {
  const [kept, keep] = useLocalStorage<KeysOfTags>({
    key: `dahlia.tag-keys.${project}`,
    defaultValue: {},
    getInitialValueInEffect: false,
  });
  const given = useMemo(
    () =>
      assigned(
        tags.map((tag) => tag.id),
        kept,
      ),
    [tags, kept],
  );
  useEffect(() => {
    if (tags.some((tag) => !kept[tag.id])) keep(given); // so that tags to come and go change no other's key
    // eslint-disable-next-line react-hooks/exhaustive-deps -- two tabs would answer each other for ever
  }, [tags]);
  return { keys: given, assign: (tagId: string, key: string) => keep(reassigned(given, tagId, key)) };
}
