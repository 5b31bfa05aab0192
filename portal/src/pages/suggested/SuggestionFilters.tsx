import { Group, Select, Slider, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import { type Wanted, useCounts } from "./useSuggestions";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
  iterations: readonly Schemas["Iteration"][];
  onIteration: (id: string) => void;
  tags: readonly Schemas["Tag"][];
  wanted: Wanted;
  onWanted: (wanted: Wanted) => void;
}

const STEP = 0.05;
const MOST = 0.95;
const LIKELY = 0.5;

/** Which suggestions are shown, and in which order. */
export function SuggestionFilters(props: Props): React.JSX.Element {
  const { project, iteration, iterations, tags, wanted, onWanted } = props;
  const tagIds = useMemo(() => tags.map(({ id }) => id), [tags]);
  const counts = useCounts(project, wanted, tagIds).data;
  const [threshold, setThreshold] = useState(wanted.threshold);
  return (
    <Group gap="sm" align="end">
      {iterations.length > 1 && (
        <Select
          label={texts.suggested.iteration}
          data={iterations.map(({ id, name }) => ({ value: id, label: name }))}
          value={iteration.id}
          onChange={(id) => id && props.onIteration(id)}
          allowDeselect={false}
          w={180}
        />
      )}
      <Select
        label={texts.suggested.tag}
        placeholder={texts.suggested.anyTag}
        data={tags.map(({ id, name }) => ({ value: id, label: texts.suggested.withCount(name, counts?.[id]) }))}
        value={wanted.tagId}
        onChange={(tagId) => {
          // A classifier says something of every tag: without a probability the choice would change nothing.
          const share = tagId && wanted.threshold === 0 ? LIKELY : wanted.threshold;
          setThreshold(share);
          onWanted({ ...wanted, tagId, threshold: share });
        }}
        clearable
        clearButtonProps={{ "aria-label": texts.suggested.anyTag }}
        searchable
        w={200}
      />
      <Select
        label={texts.suggested.order}
        data={[
          { value: "unsurest", label: texts.suggested.orders.unsurest },
          { value: "surest", label: texts.suggested.orders.surest },
        ]}
        value={wanted.surest ? "surest" : "unsurest"}
        onChange={(order) => onWanted({ ...wanted, surest: order === "surest" })}
        allowDeselect={false}
        w={170}
      />
      <Stack gap={6} w={190} pb={8}>
        <Text size="sm" id="suggested-threshold">
          {texts.suggested.threshold(threshold)}
        </Text>
        <Slider
          value={threshold}
          onChange={setThreshold}
          onChangeEnd={(share) => onWanted({ ...wanted, threshold: share })}
          min={0}
          max={MOST}
          step={STEP}
          label={null}
          thumbProps={{ "aria-labelledby": "suggested-threshold" }}
        />
      </Stack>
    </Group>
  );
}
