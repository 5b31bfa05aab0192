import { Kbd, UnstyledButton } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { tagColour } from "@/components/tagColour";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import type { KeysOfTags } from "../../images/tags/tagKeys";
import styles from "./BoxEditor.module.css";

const SHOWN = 9;

interface Props {
  project: string;
  tags: readonly Schemas["Tag"][];
  tagKeys: KeysOfTags;
  value: string | null;
  /** Of the selected box, else of those that are drawn next. */
  isOfBox: boolean;
  onChange: (tagId: string) => void;
}

/** The tag of a box: typed, or one of those with the first keys. */
export function TagChoice({ project, tags, tagKeys, value, isOfBox, onChange }: Props): React.JSX.Element {
  return (
    <>
      <TagPicker
        projectId={project}
        value={value ? [value] : []}
        onChange={([tagId]) => tagId && onChange(tagId)}
        label={isOfBox ? texts.photo.tagOfBox : texts.photo.tagOfNew}
      />
      {tags.length > 1 && (
        <div className={styles["tags"]} role="group" aria-label={texts.photo.keysOfTags} style={{ marginTop: 8 }}>
          {tags.slice(0, SHOWN).map((tag) => (
            <UnstyledButton
              key={tag.id}
              className={styles["tag"]}
              aria-pressed={tag.id === value}
              onClick={() => onChange(tag.id)}
            >
              <span className={styles["swatch"]} style={{ background: tagColour(tag.id) }} />
              <span className={styles["name"]}>{tag.name}</span>
              {tagKeys[tag.id] && <Kbd size="xs">{tagKeys[tag.id]?.toUpperCase()}</Kbd>}
            </UnstyledButton>
          ))}
        </div>
      )}
    </>
  );
}
