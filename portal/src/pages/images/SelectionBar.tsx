import { Button, CloseButton, Group, Paper, Popover, Text } from "@mantine/core";
import { IconTag, IconTagOff, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import type { Schemas } from "@/api/client";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import type { Actions } from "./useActions";

interface Props {
  project: string;
  actions: Actions;
  total: number;
  tags: readonly Schemas["Tag"][];
  /** Whether photos get tags here; those of objects get them by boxes. */
  taggable: boolean;
  onAll: () => void;
  onNone: () => void;
  onDelete: () => void;
  children?: React.ReactNode;
}

/** What can be done with the selected photos. */
export function SelectionBar(props: Props): React.JSX.Element {
  const { project, actions, total, taggable } = props;
  const negative = props.tags.find((tag) => tag.type === "Negative");
  const isBusy = actions.work !== null || actions.isDeleting;
  return (
    <Paper withBorder p={4} mih={36} role="toolbar" aria-label={texts.images.chosen(actions.count)}>
      <Group gap={6}>
        <CloseButton aria-label={texts.images.chooseNone} onClick={props.onNone} />
        <Text size="sm" fw={600} aria-live="polite">
          {texts.images.chosen(actions.count)}
        </Text>
        {actions.count < total && (
          <Button size="compact-sm" variant="subtle" onClick={props.onAll}>
            {texts.images.chooseAll(total)}
          </Button>
        )}
        {taggable && (
          <TagPopover
            project={project}
            label={texts.images.addTag}
            title={texts.images.addTagTitle(actions.count)}
            icon={<IconTag size={16} aria-hidden />}
            disabled={isBusy}
            creatable
            onTag={(tagId) => actions.put(tagId)(undefined)}
          />
        )}
        {taggable && negative && (
          <Button
            size="compact-sm"
            variant="light"
            color="gray"
            disabled={isBusy}
            onClick={() => actions.put(negative.id)(undefined)}
          >
            {texts.images.asNegative}
          </Button>
        )}
        {taggable && (
          <TagPopover
            project={project}
            label={texts.images.removeTag}
            title={texts.images.removeTagTitle(actions.count)}
            disabled={isBusy}
            onTag={(tagId) => actions.take(tagId)(undefined)}
          />
        )}
        {taggable && (
          <Button
            size="compact-sm"
            variant="light"
            color="gray"
            disabled={isBusy}
            leftSection={<IconTagOff size={16} aria-hidden />}
            onClick={() => actions.takeAll(undefined)}
          >
            {texts.images.removeTags}
          </Button>
        )}
        <Button
          size="compact-sm"
          variant="light"
          color="red"
          loading={actions.isDeleting}
          disabled={actions.work !== null}
          leftSection={<IconTrash size={16} aria-hidden />}
          onClick={props.onDelete}
        >
          {texts.images.deletePhotos}
        </Button>
        {props.children}
        {actions.work && (
          <Text size="sm" c="dimmed" aria-live="polite">
            {texts.images.working(actions.work.done, actions.work.of)}
          </Text>
        )}
      </Group>
    </Paper>
  );
}

interface PopoverProps {
  project: string;
  label: string;
  title: string;
  icon?: React.ReactNode;
  disabled: boolean;
  creatable?: boolean;
  onTag: (tagId: string) => void;
}

function TagPopover(props: PopoverProps): React.JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <Popover opened={isOpen} onChange={setOpen} trapFocus width={260} position="bottom-start" shadow="md">
      <Popover.Target>
        <Button
          size="compact-sm"
          variant="light"
          disabled={props.disabled}
          leftSection={props.icon}
          onClick={() => setOpen(!isOpen)}
        >
          {props.label}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <TagPicker
          projectId={props.project}
          label={props.title}
          creatable={props.creatable ?? false}
          withinPortal={false}
          autoFocus
          value={[]}
          onChange={([tagId]) => {
            setOpen(false);
            if (tagId) props.onTag(tagId);
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
