import { Button, Group, Kbd, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconArrowBackUp, IconArrowForwardUp, IconKeyboard } from "@tabler/icons-react";
import { useMemo } from "react";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { tagColour } from "@/components/tagColour";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import { putOn, takeAllOff, takeOff, toggle } from "../../images/labelling/changes";
import type { Change } from "../../images/labelling/changes";
import { useLabels } from "../../images/labelling/useLabels";
import { useTagKeys } from "../../images/tags/useTagKeys";
import box from "../boxes/BoxEditor.module.css";
import { openKeys } from "../KeyTable";
import styles from "../PhotoPage.module.css";
import type { Photo } from "../useImage";
import { useTagViewKeys } from "./useTagViewKeys";

interface Props {
  project: string;
  photo: Photo;
  alt: string;
  limits: Schemas["Info"]["limits"];
  tags: readonly Schemas["Tag"][];
  /** Whether a photo has one tag at most. */
  single: boolean;
  isPast: boolean;
  /** Whether a tag leads on to the next photo. */
  movesOn: boolean;
  onPrevious: () => void;
  onNext: () => void;
  onBack: () => void;
  onDelete: () => void;
}

/** A photo of a classification project, large, with its tags. */
export function TagView(props: Props): React.JSX.Element {
  const { project, photo, tags, single } = props;
  const may = useMay();
  const mayTag = may.write && !props.isPast;
  const labels = useLabels(project, props.limits);
  const tagKeys = useTagKeys(project, tags).keys;
  const negative = tags.find((tag) => tag.type === "Negative")?.id ?? null;
  const rules = useMemo(() => ({ single, negative }), [single, negative]);
  const said = photo.tags ?? [];
  const shown = props.isPast ? new Set(said.map(({ tagId }) => tagId)) : labels.tagsOf({ ...photo, tags: said });
  const tagged = [{ id: photo.id, tags: shown }];
  const nameOf = (tagId: string): string =>
    tags.find((tag) => tag.id === tagId)?.name ?? said.find((tag) => tag.tagId === tagId)?.tagName ?? "…";

  const apply = (changes: readonly Change[], tagId: string): void => {
    const isOff = changes.every((change) => !change.add);
    const label = (isOff ? texts.images.stepUntag : texts.images.stepTag)(1, nameOf(tagId));
    labels.apply({ label, changes });
    if (!isOff && single && props.movesOn) props.onNext();
  };
  const choose = (tagIds: readonly string[]): void => {
    const added = tagIds.find((tagId) => !shown.has(tagId));
    const left = [...shown].find((tagId) => !tagIds.includes(tagId));
    if (added) apply(putOn(tagged, added, rules), added);
    else if (left) apply(takeOff(tagged, left), left);
  };
  const undo = (again: boolean): void => {
    const step = again ? labels.redo() : labels.undo();
    if (step && !again) announce(texts.images.undone(step.label));
  };
  useTagViewKeys(tagKeys, {
    ...props,
    mayTag,
    onTag: (tagId) => apply(toggle(tagged, tagId, rules), tagId),
    onClear: () => labels.apply({ label: texts.images.stepUntagAll(1), changes: takeAllOff(tagged) }),
    onUndo: undo,
    onHelp: () => openKeys(texts.photo.tagKeyList),
  });
  const { last, next } = labels.undoStack;
  return (
    <div className={styles["view"]}>
      <div className={styles["frame"]}>
        <img
          className={styles["photo"]}
          src={photo.originalImageUri}
          alt={texts.photo.alt([...shown].map(nameOf).join(", "))}
          draggable={false}
          onError={({ currentTarget }) => {
            // Such as HEIF, which not every browser shows.
            if (currentTarget.src !== photo.thumbnailUri) currentTarget.src = photo.thumbnailUri;
          }}
        />
      </div>
      <Stack className={styles["side"]} gap="sm" component="aside">
        {mayTag ? (
          <>
            <TagPicker
              projectId={project}
              value={[...shown]}
              onChange={choose}
              multiple={!single}
              description={texts.photo.tagsHint}
            />
            <div className={box["tags"]} role="group" aria-label={texts.photo.keysOfTags}>
              {tags.map((tag) => (
                <UnstyledButton
                  key={tag.id}
                  className={box["tag"]}
                  aria-pressed={shown.has(tag.id)}
                  onClick={() => apply(toggle(tagged, tag.id, rules), tag.id)}
                >
                  <span className={box["swatch"]} style={{ background: tagColour(tag.id) }} />
                  <span className={box["name"]}>{tag.name}</span>
                  {tagKeys[tag.id] && <Kbd size="xs">{tagKeys[tag.id]?.toUpperCase()}</Kbd>}
                </UnstyledButton>
              ))}
            </div>
            <Group gap={6}>
              <Button
                variant="default"
                size="compact-md"
                disabled={!last}
                data-repeatable
                leftSection={<IconArrowBackUp size={16} aria-hidden />}
                onClick={() => undo(false)}
              >
                {texts.photo.undo}
              </Button>
              <Button
                variant="default"
                size="compact-md"
                disabled={!next}
                data-repeatable
                leftSection={<IconArrowForwardUp size={16} aria-hidden />}
                onClick={() => undo(true)}
              >
                {texts.photo.redo}
              </Button>
              <Button
                variant="default"
                size="compact-md"
                leftSection={<IconKeyboard size={16} aria-hidden />}
                onClick={() => openKeys(texts.photo.tagKeyList)}
              >
                {texts.images.keysTitle}
              </Button>
            </Group>
            <Text size="sm" c="dimmed" role="status">
              {labels.open > 0 ? texts.photo.saving : texts.photo.saved}
            </Text>
          </>
        ) : (
          <Text>{shown.size > 0 ? [...shown].map(nameOf).join(", ") : texts.images.noTags}</Text>
        )}
      </Stack>
    </div>
  );
}
