import { Button, Group, Slider, Text } from "@mantine/core";

import { texts } from "@/texts";

import type { Photos } from "./grid/usePhotos";

interface Props {
  photos: Photos;
  /** Changes of tags that the server does not have yet. */
  open: number;
  onRenew: () => void;
  /** Pixels that a photo is wide. */
  size: number;
  onSize: (size: number) => void;
}

/** How many photos are shown, what is being saved, and whether the list is as it was. */
export function GridFooter({ photos, open, onRenew, size, onSize }: Props): React.JSX.Element {
  const { count, left, changed } = photos;
  return (
    <Group gap="sm" mih={22} justify="space-between">
      <Text size="xs" c="dimmed" aria-live="polite">
        {count !== undefined && texts.images.photos(count)}
        {open > 0 && ` · ${texts.images.saving(open)}`}
      </Text>
      <Group gap={6} role="status">
        {changed !== 0 && (
          <>
            <Text size="xs">{changed > 0 ? texts.images.moreNow(changed) : texts.images.fewerNow(-changed)}</Text>
            <Button size="compact-xs" variant="light" onClick={onRenew}>
              {texts.images.showNow}
            </Button>
          </>
        )}
        {left > 0 && changed === 0 && (
          <>
            <Text size="xs">{texts.images.hasLeft(left)}</Text>
            <Button size="compact-xs" variant="light" onClick={onRenew}>
              {texts.images.tidy}
            </Button>
          </>
        )}
      </Group>
      <Slider
        w={110}
        mx={6}
        size="sm"
        min={80}
        max={320}
        step={20}
        label={null}
        value={size}
        onChange={onSize}
        thumbLabel={texts.images.zoom}
      />
    </Group>
  );
}
