import { ActionIcon, Button, Group, Text, Tooltip } from "@mantine/core";
import { IconArrowLeft, IconChevronLeft, IconChevronRight, IconTrash } from "@tabler/icons-react";

import { useMay } from "@/api/shared";
import { texts } from "@/texts";

import type { Photo } from "./useImage";
import type { Steps } from "./useSteps";

interface Props {
  project: string;
  photo: Photo | undefined;
  steps: Steps;
  isPast: boolean;
}

/** Back to the gallery, to the photos before and after, and what deletes the photo. */
export function PhotoBar({ photo, steps, isPast }: Props): React.JSX.Element {
  const may = useMay();
  const { way } = steps;
  return (
    <Group gap="xs" justify="space-between" wrap="nowrap">
      <Button
        variant="subtle"
        size="compact-md"
        px={6}
        leftSection={<IconArrowLeft size={18} aria-hidden />}
        onClick={steps.back}
      >
        <Text span inherit visibleFrom="xs">
          {texts.photo.back}
        </Text>
        <Text span inherit hiddenFrom="xs">
          {texts.images.title}
        </Text>
      </Button>
      <Group gap={6} wrap="nowrap">
        <Step
          label={texts.photo.previous}
          isOff={way.before === null}
          onStep={steps.previous}
          icon={<IconChevronLeft size={20} aria-hidden />}
        />
        <Text size="sm" ta="center" miw={64} role="status">
          {way.place !== null && texts.photo.place(way.place, way.count)}
        </Text>
        <Step
          label={texts.photo.next}
          isOff={way.after === null}
          onStep={steps.next}
          icon={<IconChevronRight size={20} aria-hidden />}
        />
      </Group>
      <Group gap="xs" wrap="nowrap">
        {photo && (
          <Text size="xs" c="dimmed" visibleFrom="sm">
            {texts.photo.size(photo.width, photo.height)}
          </Text>
        )}
        {may.write && !isPast && (
          <Tooltip label={texts.photo.delete}>
            <ActionIcon
              variant="default"
              size={34}
              aria-label={texts.photo.delete}
              loading={steps.isDeleting}
              onClick={steps.remove}
            >
              <IconTrash size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </Group>
    </Group>
  );
}

interface StepProps {
  label: string;
  isOff: boolean;
  icon: React.ReactNode;
  onStep: () => void;
}

function Step({ label, isOff, icon, onStep }: StepProps): React.JSX.Element {
  return (
    <Tooltip label={label}>
      {/* Not disabled at the end, so that the focus stays. */}
      <ActionIcon
        variant="default"
        size={34}
        aria-label={label}
        aria-disabled={isOff}
        data-disabled={isOff || undefined}
        onClick={() => {
          if (!isOff) onStep();
        }}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
