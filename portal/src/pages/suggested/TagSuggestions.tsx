import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { keys } from "@/api/keys";
import { tagColour } from "@/components/tagColour";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import { putOn } from "../images/labelling/changes";
import type { Labels } from "../images/labelling/store";
import styles from "./Suggested.module.css";
import { SuggestionCard } from "./SuggestionCard";
import { type Suggestion, grouped, meantTags } from "./suggestions";

interface Props {
  project: string;
  suggestions: readonly Suggestion[];
  labels: Labels;
  tags: readonly Schemas["Tag"][];
  isMultilabel: boolean;
  mayWrite: boolean;
  onReject: (ids: readonly string[]) => void;
}

/** Suggested tags: photos in groups by their likeliest tag. */
export function TagSuggestions(props: Props): React.JSX.Element {
  const { project, suggestions, labels, isMultilabel, mayWrite, onReject } = props;
  const client = useQueryClient();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [done, setDone] = useState<string | null>(null);
  const chosen = suggestions.filter(({ id }) => ticked.has(id));
  const rules = { single: !isMultilabel, negative: props.tags.find(({ type }) => type === "Negative")?.id ?? null };

  const settle = (): void => {
    void labels.idle().then(() => client.invalidateQueries({ queryKey: keys.suggestions(project) }));
  };
  /** Tag photos as suggested, or all with another tag. */
  const confirm = (some: readonly Suggestion[], other?: string): void => {
    const changes = some.flatMap((one) => {
      const wanted = other ? [other] : meantTags(one, isMultilabel).map(({ tagId }) => tagId);
      return wanted.flatMap((tagId) => putOn([{ id: one.id, tags: new Set<string>() }], tagId, rules));
    });
    const label = texts.suggested.confirmed(some.length);
    labels.apply({ label, changes });
    setDone(label);
    setTicked(new Set());
    settle();
  };
  const reject = (some: readonly Suggestion[]): void => {
    onReject(some.map(({ id }) => id));
    setTicked(new Set());
  };
  const tick = (ids: readonly string[], on: boolean): void => {
    const changed = new Set(ticked);
    for (const id of ids) {
      if (on) changed.add(id);
      else changed.delete(id);
    }
    setTicked(changed);
  };
  return (
    <Stack gap="lg">
      <div role="status" style={{ display: done ? undefined : "contents" }}>
        {done && (
          <Group gap="xs">
            <Text size="sm">{done}</Text>
            <Button
              size="compact-sm"
              variant="light"
              onClick={() => {
                labels.undo();
                setDone(null);
                settle();
              }}
            >
              {texts.suggested.undo}
            </Button>
          </Group>
        )}
      </div>
      {mayWrite && chosen.length > 0 && (
        <Paper withBorder p="xs" className={styles["bar"]} role="region" aria-label={texts.suggested.selection}>
          <Group gap="sm">
            <Text size="sm" fw={600}>
              {texts.suggested.selected(chosen.length)}
            </Text>
            <Button size="compact-md" onClick={() => confirm(chosen)}>
              {texts.suggested.confirmSelected}
            </Button>
            <Button size="compact-md" variant="default" onClick={() => reject(chosen)}>
              {texts.suggested.rejectSelected}
            </Button>
            <div style={{ minWidth: 180 }}>
              <TagPicker
                projectId={project}
                value={[]}
                onChange={([tagId]) => tagId && confirm(chosen, tagId)}
                label={texts.suggested.otherTag}
                hideLabel
              />
            </div>
            <Button size="compact-md" variant="subtle" onClick={() => setTicked(new Set())}>
              {texts.suggested.selectNone}
            </Button>
          </Group>
        </Paper>
      )}
      {grouped(suggestions).map((group) => {
        const ids = group.suggestions.map(({ id }) => id);
        const isAll = ids.every((id) => ticked.has(id));
        const title = group.tag ? texts.suggested.group(group.tag.name, ids.length) : texts.suggested.unlikely(ids.length);
        return (
          <section key={group.tag?.id ?? "unlikely"} aria-label={title}>
            <Group gap="sm" mb="xs">
              {group.tag && <span className={styles["swatch"]} style={{ background: tagColour(group.tag.id) }} />}
              <Title order={2} size="h4">
                {title}
              </Title>
              {mayWrite && (
                <>
                  {group.tag && (
                    <Button size="compact-sm" variant="light" onClick={() => confirm(group.suggestions)}>
                      {texts.suggested.confirmAll(ids.length)}
                    </Button>
                  )}
                  <Button size="compact-sm" variant="subtle" onClick={() => tick(ids, !isAll)}>
                    {isAll ? texts.suggested.selectNone : texts.suggested.selectAll}
                  </Button>
                </>
              )}
            </Group>
            <ul className={styles["grid"]}>
              {group.suggestions.map((one) => (
                <SuggestionCard
                  key={one.id}
                  suggestion={one}
                  tags={meantTags(one, isMultilabel)}
                  isTicked={ticked.has(one.id)}
                  mayWrite={mayWrite}
                  onTick={(on) => tick([one.id], on)}
                  onConfirm={() => confirm([one])}
                  onReject={() => reject([one])}
                />
              ))}
            </ul>
          </section>
        );
      })}
    </Stack>
  );
}
