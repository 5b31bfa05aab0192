/** The keys of a project's tags, which this browser remembers. */
import { useLocalStorage } from "@mantine/hooks";
import { useMemo } from "react";

import type { Schemas } from "@/api/client";

import { type KeysOfTags, assigned, reassigned } from "./tagKeys";

export function useTagKeys(project: string, tags: readonly Schemas["Tag"][]) {
  const [kept, keep] = useLocalStorage<KeysOfTags>({ key: `dahlia.tag-keys.${project}`, defaultValue: {} });
  const given = useMemo(
    () =>
      assigned(
        tags.map((tag) => tag.id),
        kept,
      ),
    [tags, kept],
  );
  return { keys: given, assign: (tagId: string, key: string) => keep(reassigned(given, tagId, key)), keep };
}
