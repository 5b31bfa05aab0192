import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { texts } from "@/texts";

import type { CellTag } from "../confusion/cells";
import { PhotoCard } from "../photos/PhotoCard";
import { sameTags } from "./changed";
import { Retag } from "./Retag";
import { SuspectList } from "./SuspectList";
import { useChecked } from "./useChecked";
import { useCurrent } from "./useCurrent";

interface Props {
  project: string;
  iteration: string;
  issues: readonly Schemas["SuspectImage"][];
  tags: ReadonlyMap<string, CellTag>;
  isMultilabel: boolean;
}

/** Photos whose tags are likely wrong, to be fixed on the spot. */
export function WrongTags({ project, iteration, issues, tags, isMultilabel }: Props): React.JSX.Element {
  const said = texts.performance;
  const may = useMay();
  const checked = useChecked(iteration);
  const present = issues.filter(({ imageId }) => imageId !== null);
  const current = useCurrent(project, present.map(({ imageId }) => imageId ?? ""));
  const known = (names: readonly string[]): CellTag[] => names.flatMap((name) => tags.get(name) ?? []);
  const photos = current.data;
  const open = photos
    ? present.filter(({ imageId, given }) => {
        const image = photos.get(imageId ?? "");
        const now = image?.tags?.map(({ tagId }) => tagId) ?? [];
        return image !== undefined && !checked.has(image.id) && sameTags(now, known(given).map(({ id }) => id));
      })
    : undefined;
  return (
    <SuspectList
      title={said.wrongTags}
      note={said.wrongTagsNote}
      all={issues}
      open={issues.length === 0 ? [] : open}
      error={current.error}
      retry={() => void current.refetch()}
      card={({ imageId, thumbnailUri, given, suggested }, done) => {
        const image = photos?.get(imageId ?? "");
        return (
          <PhotoCard
            key={imageId}
            project={project}
            photo={{ imageId: imageId ?? null, src: thumbnailUri ?? null, alt: said.openPhotoOf(said.tagged(given)) }}
          >
            <Text size="sm">{said.tagged(given)}</Text>
            <Text size="sm" fw={600}>
              {said.likely(suggested)}
            </Text>
            {may.write && image && (
              <Retag
                project={project}
                image={image}
                suggested={known(suggested)}
                isMultilabel={isMultilabel}
                onDone={done}
                onKeep={() => {
                  checked.add(image.id);
                  done();
                }}
              />
            )}
          </PhotoCard>
        );
      }}
    />
  );
}
