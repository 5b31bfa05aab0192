import { RangeSlider, Select, Stack, Text, TextInput } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { isTrained, useIterations, useTags } from "@/api/shared";
import { texts } from "@/texts";

import styles from "./Predictions.module.css";
import type { Filters } from "./query";

interface Props {
  project: string;
  value: Filters;
  onChange: (filters: Filters) => void;
}

/** Which predictions are shown, and in which order. */
export function PredictionFilters({ project, value, onChange }: Props): React.JSX.Element {
  const iterations = (useIterations(project).data ?? []).filter(isTrained);
  const tags = useTags(project).data ?? [];
  const change = (part: Partial<Filters>): void => onChange({ ...value, ...part });
  const [low, high] = value.range;
  return (
    <div className={styles["filters"]}>
      <Select
        className={styles["wide"]}
        label={texts.predictions.order}
        data={ORDERS.map((order) => ({ value: order, label: texts.predictions.orders[order] }))}
        value={value.order}
        onChange={(order) => order && change({ order: order as Schemas["OrderBy"] })}
        allowDeselect={false}
      />
      <Select
        label={texts.predictions.iteration}
        placeholder={texts.predictions.anyIteration}
        data={iterations.map(({ id, name, publishName }) => ({
          value: id,
          label: texts.quickTest.iterationName(name, publishName),
        }))}
        value={value.iterationId}
        onChange={(iterationId) => change({ iterationId })}
        clearable
        clearButtonProps={{ "aria-label": texts.predictions.clear }}
      />
      <Select
        label={texts.predictions.tag}
        placeholder={texts.predictions.anyTag}
        data={tags.map(({ id, name }) => ({ value: id, label: name }))}
        value={value.tagId}
        onChange={(tagId) => change({ tagId, range: [0, 1] })}
        clearable
        clearButtonProps={{ "aria-label": texts.predictions.clear }}
        searchable
      />
      {value.tagId && (
        <Stack gap={6} pb={8}>
          <Text size="sm">{texts.predictions.range(low, high)}</Text>
          <RangeSlider
            key={value.tagId}
            defaultValue={value.range}
            onChangeEnd={(range) => change({ range })}
            min={0}
            max={1}
            step={0.01}
            minRange={0.01}
            label={(share) => texts.common.percent(share)}
            thumbFromLabel={texts.predictions.least}
            thumbToLabel={texts.predictions.most}
          />
        </Stack>
      )}
      <TextInput
        className={styles["wide"]}
        label={texts.predictions.since}
        type="datetime-local"
        value={value.since}
        onChange={(event) => change({ since: event.currentTarget.value })}
      />
      <TextInput
        className={styles["wide"]}
        label={texts.predictions.until}
        type="datetime-local"
        value={value.until}
        onChange={(event) => change({ until: event.currentTarget.value })}
      />
    </div>
  );
}

const ORDERS = ["Suggested", "Newest", "Oldest"] as const;
