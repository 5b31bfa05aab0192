import { Combobox, Pill, PillsInput, Text, useCombobox } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { PROJECT, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { useTags } from "@/api/shared";
import { texts } from "@/texts";

import { announceError } from "./announce";
import { orderTags } from "./tagColour";
import { isNewName, tagsWith } from "./tagSearch";

const CREATE = "\u0000create";

interface Props {
  projectId: string;
  /** Ids of the chosen tags. */
  value: readonly string[];
  onChange: (tagIds: string[]) => void;
  multiple?: boolean;
  label?: string;
  /** Whether only screen readers get the label. */
  hideLabel?: boolean;
  description?: string;
  disabled?: boolean;
  /** Whether a tag that is not there yet can be made here. */
  creatable?: boolean;
  autoFocus?: boolean;
  /** Whether the list of tags is drawn over everything; not inside of what closes by a click outside. */
  withinPortal?: boolean;
}

/** Choose tags by typing a part of their names; Enter takes the first, and makes a new one where there is none. */
export function TagPicker(props: Props): React.JSX.Element {
  const { projectId, value, onChange, multiple = false, creatable = true } = props;
  const label = props.label ?? (multiple ? texts.images.tags : texts.images.tag);
  const [typed, setTyped] = useState("");
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const tags = useTags(projectId).data ?? [];
  const create = useCreateTag(projectId);
  const wanted = typed.trim();
  const found = tagsWith(tags, wanted);
  const isNew = creatable && isNewName(tags, wanted);
  const first = found[0]?.id ?? (isNew ? CREATE : undefined);
  const { dropdownOpened, selectFirstOption, resetSelectedOption } = combobox;
  useEffect(() => {
    if (wanted === "") resetSelectedOption();
    else if (dropdownOpened) selectFirstOption(); // which Enter takes, so that it is seen before
  }, [wanted, first, dropdownOpened, selectFirstOption, resetSelectedOption]);

  const isOptionSelected = (): boolean => dropdownOpened && combobox.getSelectedOptionIndex() >= 0;
  const toggle = (tagId: string): void => {
    if (value.includes(tagId)) onChange(value.filter((other) => other !== tagId));
    else onChange(multiple ? [...value, tagId] : [tagId]);
    setTyped("");
    if (!multiple) combobox.closeDropdown();
  };
  const choose = (option: string): void => {
    if (option !== CREATE) return toggle(option);
    if (create.isPending) return;
    create.mutate({ name: wanted }, { onSuccess: (tag) => toggle(tag.id), onError: announceError });
  };
  return (
    <Combobox store={combobox} onOptionSubmit={choose} withinPortal={props.withinPortal ?? true}>
      <Combobox.DropdownTarget>
        <PillsInput
          label={props.hideLabel ? undefined : label}
          description={props.description}
          disabled={props.disabled ?? false}
          onClick={() => combobox.openDropdown()}
        >
          <Pill.Group>
            {value.map((tagId) => (
              <Pill
                key={tagId}
                withRemoveButton
                onRemove={() => toggle(tagId)}
                removeButtonProps={{
                  "aria-label": texts.images.leaveOut(nameOf(tags, tagId)),
                  "aria-hidden": false, // which Mantine hides, since its keys remove pills too
                  tabIndex: 0,
                }}
              >
                {nameOf(tags, tagId)}
              </Pill>
            ))}
            <Combobox.EventsTarget>
              <PillsInput.Field
                value={typed}
                placeholder={value.length === 0 ? (props.hideLabel ? label : texts.images.findOrMakeTag(creatable)) : ""}
                autoFocus={props.autoFocus ?? false}
                data-autofocus={props.autoFocus || undefined}
                aria-label={label}
                onFocus={() => combobox.openDropdown()}
                onBlur={() => combobox.closeDropdown()}
                onChange={(event) => {
                  setTyped(event.currentTarget.value);
                  combobox.openDropdown();
                }}
                onKeyDown={(event) => {
                  if (event.key === "Backspace" && typed === "") onChange(value.slice(0, -1));
                  if (event.key === "Enter" && wanted !== "" && !isOptionSelected()) {
                    event.preventDefault();
                    if (first) choose(first);
                  }
                }}
              />
            </Combobox.EventsTarget>
          </Pill.Group>
        </PillsInput>
      </Combobox.DropdownTarget>
      <Combobox.Dropdown>
        <Combobox.Options mah={240} style={{ overflowY: "auto" }}>
          {found.map((tag) => (
            <Combobox.Option key={tag.id} value={tag.id} active={value.includes(tag.id)}>
              {value.includes(tag.id) ? "✓ " : ""}
              {tag.name}
              <Text span size="xs" c="dimmed" ml={6}>
                {texts.common.number(tag.imageCount)}
              </Text>
            </Combobox.Option>
          ))}
          {isNew && <Combobox.Option value={CREATE}>{texts.images.makeTag(wanted)}</Combobox.Option>}
          {found.length === 0 && !isNew && <Combobox.Empty>{texts.images.noTags}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

interface NewTag {
  name: string;
  description?: string;
  type?: Schemas["TagType"];
}

/** Make a tag. */
export function useCreateTag(projectId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, description, type }: NewTag) =>
      dataOf(
        api.POST(`${PROJECT}/tags`, {
          params: { path: { project_id: projectId }, query: { name, description, type } },
        }),
      ),
    onSuccess: async (tag) => {
      const known = client.setQueryData<Schemas["Tag"][]>(keys.tags(projectId), (before) => before && [...before, tag]);
      if (known) orderTags(known.map(({ id }) => id));
      await client.invalidateQueries({ queryKey: keys.tags(projectId) });
    },
  });
}

function nameOf(tags: readonly Schemas["Tag"][], tagId: string): string {
  return tags.find((tag) => tag.id === tagId)?.name ?? "…";
}
