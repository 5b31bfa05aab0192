import { ActionIcon, Badge, Group, Kbd, Menu, Progress, Text, UnstyledButton } from "@mantine/core";
import { IconArrowMerge, IconDots, IconPencil, IconTrash } from "@tabler/icons-react";

import type { Schemas } from "@/api/client";
import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import { type Goals, progressOf } from "./goals";
import styles from "./TagsPanel.module.css";

const COLOURS = { none: "red", least: "orange", fair: "yellow", good: "teal" } as const;

interface Props {
  tag: Schemas["Tag"];
  goals: Goals;
  tagKey: string | undefined;
  isShown: boolean;
  mayWrite: boolean;
  onShow: () => void;
  onEdit: () => void;
  onMerge: (() => void) | undefined;
  onDelete: () => void;
}

/** A tag: how many photos have it, how many are missing, and what can be done with it. */
export function TagRow(props: Props): React.JSX.Element {
  const { tag, goals, tagKey } = props;
  const isNegative = tag.type === "Negative";
  const { goal, missing, level, share } = progressOf(tag.imageCount, goals);
  const said = level === "good" ? texts.images.enough : texts.images.missing(missing, level);
  return (
    <li className={styles["tag"]}>
      <Group gap={6} wrap="nowrap">
        <span className={styles["colour"]} style={{ background: tagColour(tag.id) }} />
        <UnstyledButton
          className={styles["name"]}
          onClick={props.onShow}
          aria-pressed={props.isShown}
          title={tag.description || undefined}
          aria-label={texts.images.toFilter(tag.name)}
        >
          <Text size="sm" truncate fw={props.isShown ? 700 : 500}>
            {tag.name}
          </Text>
        </UnstyledButton>
        {isNegative && tag.name !== texts.images.negative && (
          <Badge size="xs" color="gray" variant="light">
            {texts.images.negative}
          </Badge>
        )}
        <Text size="sm" c="dimmed">
          {texts.common.number(tag.imageCount)}
        </Text>
        {tagKey && <Kbd size="xs">{tagKey.toUpperCase()}</Kbd>}
        {props.mayWrite && (
          <Menu position="bottom-end" withinPortal>
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" size="sm" aria-label={texts.images.tagMenu(tag.name)}>
                <IconDots size={16} aria-hidden />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPencil size={14} aria-hidden />} onClick={props.onEdit}>
                {texts.images.edit}
              </Menu.Item>
              {props.onMerge && (
                <Menu.Item leftSection={<IconArrowMerge size={14} aria-hidden />} onClick={props.onMerge}>
                  {texts.images.merge}
                </Menu.Item>
              )}
              <Menu.Item color="red" leftSection={<IconTrash size={14} aria-hidden />} onClick={props.onDelete}>
                {texts.images.deleteTag}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </Group>
      {!isNegative && (
        <>
          <Progress
            size={4}
            mt={3}
            value={share * 100}
            color={COLOURS[level]}
            aria-label={`${tag.name}: ${said}`}
          />
          {goal !== null && (
            <Text size="xs" c="dimmed">
              {said}
            </Text>
          )}
        </>
      )}
    </li>
  );
}
