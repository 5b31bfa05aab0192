import { ActionIcon, Group, SegmentedControl, Select, Tooltip } from "@mantine/core";
import { IconSortAscending, IconSortDescending } from "@tabler/icons-react";

import { isTrained, useIterations, useProject } from "@/api/shared";
import { TagPicker } from "@/components/TagPicker";
import { texts } from "@/texts";

import type { Filter, Show } from "./grid/filter";

interface Props {
  project: string;
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

const NOW = "now";

/** Which photos are shown, and in which order. */
export function FilterBar({ project, filter, onFilter }: Props): React.JSX.Element {
  const summary = useProject(project).data;
  const iterations = (useIterations(project).data ?? []).filter(isTrained);
  const counts = filter.iteration === null ? summary : undefined;
  const named = (name: string, count: number | undefined): string =>
    count === undefined ? name : texts.images.withCount(name, count);
  const Order = filter.oldest ? IconSortAscending : IconSortDescending;
  return (
    <Group gap="xs" align="end" flex="1 1 320px" role="group" aria-label={texts.images.filters}>
      <SegmentedControl
        size="sm"
        aria-label={texts.images.show}
        value={filter.tagIds.length > 0 ? "" : filter.show}
        onChange={(show) => onFilter({ ...filter, show: show as Show, tagIds: [] })}
        data={[
          { value: "all", label: named(texts.images.all, counts?.imageCount) },
          { value: "tagged", label: named(texts.images.tagged, counts?.taggedImageCount) },
          { value: "untagged", label: named(texts.images.untagged, counts?.untaggedImageCount) },
        ]}
      />
      <div style={{ flex: "1 1 140px", minWidth: 0, maxWidth: 420 }}>
        <TagPicker
          projectId={project}
          multiple
          creatable={false}
          hideLabel
          label={texts.images.filterByTag}
          value={filter.tagIds}
          onChange={(tagIds) => onFilter({ ...filter, tagIds, show: tagIds.length > 0 ? "tagged" : "all" })}
        />
      </div>
      {iterations.length > 0 && (
        <Select
          aria-label={texts.images.iteration}
          w={130}
          allowDeselect={false}
          value={filter.iteration ?? NOW}
          onChange={(id) => onFilter({ ...filter, iteration: id === NOW ? null : id })}
          data={[
            { value: NOW, label: texts.images.now },
            ...iterations.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
      <Tooltip label={filter.oldest ? texts.images.oldest : texts.images.newest}>
        <ActionIcon
          variant="default"
          size={36}
          aria-label={`${texts.images.order}: ${filter.oldest ? texts.images.oldest : texts.images.newest}`}
          onClick={() => onFilter({ ...filter, oldest: !filter.oldest })}
        >
          <Order size={18} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
