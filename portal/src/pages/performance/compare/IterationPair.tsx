import { ActionIcon, Group, Select } from "@mantine/core";
import { IconArrowsLeftRight } from "@tabler/icons-react";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

interface Props {
  iterations: readonly Schemas["Iteration"][];
  one: string;
  other: string;
  onChange: (one: string, other: string) => void;
}

/** Which two iterations are compared. */
export function IterationPair({ iterations, one, other, onChange }: Props): React.JSX.Element {
  const said = texts.compare;
  const options = (left: string) =>
    iterations.map(({ id, name, publishName, status }) => ({
      value: id,
      label: texts.performance.iterationName(name, publishName, status),
      disabled: id === left,
    }));
  return (
    <Group align="end" gap="xs">
      <Select
        label={said.one}
        data={options(other)}
        value={one}
        onChange={(id) => id && onChange(id, other)}
        allowDeselect={false}
        style={{ flex: "1 1 200px" }}
        maw={380}
      />
      <ActionIcon variant="default" size={36} aria-label={said.swap} title={said.swap} onClick={() => onChange(other, one)}>
        <IconArrowsLeftRight size={18} aria-hidden />
      </ActionIcon>
      <Select
        label={said.other}
        data={options(one)}
        value={other}
        onChange={(id) => id && onChange(one, id)}
        allowDeselect={false}
        style={{ flex: "1 1 200px" }}
        maw={380}
      />
    </Group>
  );
}
