import { ActionIcon, Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { announceError } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { useCreateTag } from "@/components/TagPicker";
import { forgetError } from "@/components/submits";
import { texts } from "@/texts";

import type { Goals } from "./goals";
import { openMergeForm } from "./MergeForm";
import { openTagForm } from "./TagForm";
import { TagRow } from "./TagRow";
import styles from "./TagsPanel.module.css";
import type { KeysOfTags } from "./tagKeys";
import { useTagChanges } from "./useTagChanges";

interface Props {
  project: string;
  isTitled: boolean;
  tags: readonly Schemas["Tag"][];
  goals: Goals;
  detects: boolean;
  tagKeys: KeysOfTags;
  onKey: (tagId: string, key: string) => void;
  shown: readonly string[];
  onShow: (tagId: string) => void;
  /** After a tag was deleted, or merged into another. */
  onGone: (tagId: string) => void;
}

/** The tags of a project: make, rename, describe, merge and delete them, and see what they lack. */
export function TagsPanel(props: Props): React.JSX.Element {
  const { project, tags, detects, tagKeys } = props;
  const may = useMay();
  const { remove } = useTagChanges(project);
  const hasNegative = tags.some((tag) => tag.type === "Negative");
  const sorted = [...tags].sort(
    (one, other) =>
      Number(one.type === "Negative") - Number(other.type === "Negative") || one.name.localeCompare(other.name),
  );
  const create = useCreateTag(project);
  const mergeOf = (tag: Schemas["Tag"]): (() => void) | undefined => {
    const others = sorted.filter((other) => other.id !== tag.id && other.type !== "Negative");
    if (tag.type === "Negative" || others.length === 0) return undefined;
    return () => openMergeForm({ project, tag, others, onMerged: () => props.onGone(tag.id) });
  };
  return (
    <Stack gap="xs" component="section" aria-label={texts.images.tagPanel}>
      {props.isTitled && (
        <Title order={2} size="h5">
          {texts.images.tagPanel}
        </Title>
      )}
      {may.write && <NewTag project={project} />}
      {tags.length === 0 && (
        <Text size="sm" c="dimmed">
          {detects ? texts.images.tagsExplainBoxes : texts.images.tagsExplain}
        </Text>
      )}
      <ul className={styles["list"]}>
        {sorted.map((tag) => (
          <TagRow
            key={tag.id}
            tag={tag}
            goals={props.goals}
            tagKey={detects ? undefined : tagKeys[tag.id]}
            isShown={props.shown.includes(tag.id)}
            mayWrite={may.write}
            onShow={() => props.onShow(tag.id)}
            onEdit={() =>
              openTagForm({
                project,
                tag,
                tagKey: tagKeys[tag.id],
                onKey: detects ? undefined : (key) => props.onKey(tag.id, key),
              })
            }
            onMerge={mergeOf(tag)}
            onDelete={() =>
              confirm({
                title: texts.images.deleteTagTitle(tag.name),
                text: texts.images.deleteTagText(tag.name, tag.imageCount, detects),
                confirmed: () => remove.mutate(tag.id, { onSuccess: () => props.onGone(tag.id) }),
              })
            }
          />
        ))}
      </ul>
      {may.write && !detects && !hasNegative && tags.length > 0 && (
        <div>
          <Button
            size="compact-sm"
            variant="subtle"
            loading={create.isPending}
            onClick={() =>
              create.mutate({ name: texts.images.negative, type: "Negative" }, { onError: announceError })
            }
          >
            {texts.images.makeNegative}
          </Button>
          <Text size="xs" c="dimmed">
            {texts.images.negativeHint}
          </Text>
        </div>
      )}
    </Stack>
  );
}

function NewTag({ project }: { project: string }): React.JSX.Element {
  const [name, setName] = useState("");
  const create = useCreateTag(project);
  const make = (event: React.FormEvent): void => {
    event.preventDefault();
    const wanted = name.trim();
    if (!wanted || create.isPending) return;
    // What was typed meanwhile is the next tag's name.
    create.mutate({ name: wanted }, { onSuccess: () => setName((typed) => (typed.trim() === wanted ? "" : typed)) });
  };
  return (
    <form onSubmit={make} onChange={() => forgetError(create)}>
      <Group gap={6} wrap="nowrap" align="start">
        <TextInput
          flex={1}
          size="sm"
          aria-label={texts.images.newTagName}
          placeholder={texts.images.newTag}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={create.error?.message}
        />
        <ActionIcon
          type="submit"
          size={36}
          variant="light"
          aria-label={texts.images.create}
          loading={create.isPending}
          disabled={name.trim() === ""}
        >
          <IconPlus size={18} aria-hidden />
        </ActionIcon>
      </Group>
    </form>
  );
}
