import { NumberInput, Radio, Stack } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

type Type = Schemas["TrainingType"];

const TYPES: readonly Type[] = ["Regular", "Advanced"];
const MOST_TYPED = 10_000;

interface Props {
  detects: boolean;
  type: Type;
  onType: (type: Type) => void;
  /** Null while nothing that can be used is typed. */
  hours: number | null;
  onHours: (hours: number | null) => void;
}

/** Quick or advanced; advanced with the hours that it may take. */
export function Recipe({ detects, type, onType, hours, onHours }: Props): React.JSX.Element {
  const said = texts.training;
  const { Regular: quick, Advanced: advanced } = said.recipes;
  return (
    <Stack gap="sm">
      <Radio.Group label={said.recipe} value={type} onChange={(value) => onType(value as Type)}>
        <Stack gap="xs" mt={6}>
          {TYPES.map((one) => (
            <Radio
              key={one}
              value={one}
              label={said.recipes[one].name}
              description={one === "Advanced" ? advanced.text : detects ? quick.textBoxes : quick.text}
            />
          ))}
        </Stack>
      </Radio.Group>
      {type === "Advanced" && (
        <NumberInput
          label={said.budget}
          description={said.budgetText}
          value={hours ?? ""}
          onChange={(value) => onHours(typeof value === "number" && value >= 1 ? value : null)}
          error={hours === null && said.budgetFault}
          min={1}
          max={MOST_TYPED}
          allowDecimal={false}
          allowNegative={false}
          clampBehavior="none"
          maw={420}
        />
      )}
    </Stack>
  );
}
