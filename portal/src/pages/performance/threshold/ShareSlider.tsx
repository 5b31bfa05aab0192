import { Group, Slider, Text } from "@mantine/core";
import { useId } from "react";

import { texts } from "@/texts";

interface Props {
  label: string;
  hint: string;
  value: number;
  onChange: (value: number) => void;
  /** Values that are marked. */
  marks: readonly number[];
}

/** A slider from 0 to 100 %. */
export function ShareSlider({ label, hint, value, onChange, marks }: Props): React.JSX.Element {
  const id = useId();
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={500} id={id}>
          {label}
        </Text>
        <Text size="sm" fw={600} style={{ fontVariantNumeric: "tabular-nums" }}>
          {texts.common.percent(value)}
        </Text>
      </Group>
      <Slider
        value={value}
        onChange={onChange}
        min={0}
        max={1}
        step={0.01}
        label={null}
        marks={marks.map((mark) => ({ value: mark }))}
        thumbProps={{ "aria-labelledby": id }}
        my={6}
      />
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
    </div>
  );
}
