import { Loader, Modal, Stack, Text } from "@mantine/core";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { PhotoCard } from "../photos/PhotoCard";
import { PhotoCards } from "../photos/PhotoCards";
import type { Search } from "./cells";
import { usePhotosOfCell } from "./usePhotosOfCell";

export interface Cell {
  /** Names it among those of the iteration. */
  place: string;
  title: string;
  count: number;
  search: Search;
}

interface Props {
  project: string;
  iteration: string;
  cell: Cell;
  onClose: () => void;
}

const STEP = 24;
const TAGS_SAID = 2;

/** The photos behind a number of the confusion matrix. */
export function CellDialog({ project, iteration, cell, onClose }: Props): React.JSX.Element {
  const said = texts.performance;
  const { data, error, isPending, refetch, seen } = usePhotosOfCell(
    project,
    iteration,
    cell.place,
    cell.count,
    cell.search,
  );
  return (
    <Modal opened onClose={onClose} size="xl" title={cell.title} closeButtonProps={{ "aria-label": texts.common.close }}>
      <Stack gap="sm">
        {error && <ErrorNote error={error} retry={() => void refetch()} />}
        {isPending && (
          <Text size="sm" role="status">
            <Loader size="xs" mr={8} aria-hidden />
            {said.looking(seen)}
          </Text>
        )}
        {data && data.counted < cell.count && (
          <Text size="sm" c="dimmed">
            {said.fewer(data.counted, cell.count)}
          </Text>
        )}
        {data && (
          <PhotoCards
            label={said.foundPhotos}
            items={data.photos}
            step={STEP}
            card={({ photo, boxes }) => {
              const first = photo.predictions.slice(0, TAGS_SAID).map((one) => said.saidOf(one.tagName, one.probability));
              const label = boxes.length ? "" : first.join(", ") || said.saidNothing;
              return (
                <PhotoCard
                  key={photo.id}
                  project={project}
                  photo={{ imageId: photo.id, src: photo.thumbnailUri, alt: said.openPhotoOf(label) }}
                  boxes={boxes}
                >
                  <Text size="xs">{label || boxes.map(boxSaid).join(", ")}</Text>
                </PhotoCard>
              );
            }}
          />
        )}
      </Stack>
    </Modal>
  );
}

function boxSaid({ tagName, probability }: { tagName: string; probability?: number }): string {
  return probability === undefined
    ? texts.performance.drawnAs(tagName)
    : texts.performance.saidOf(tagName, probability);
}
