import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { texts } from "@/texts";

import type { CellTag } from "../confusion/cells";
import { sameTags } from "../fixing/changed";
import { Retag } from "../fixing/Retag";
import { useCurrent } from "../fixing/useCurrent";
import { PhotoCard } from "./PhotoCard";
import { PhotoCards } from "./PhotoCards";

interface Props {
  project: string;
  mistakes: readonly Schemas["MistakenImage"][];
  tags: ReadonlyMap<string, CellTag>;
  isMultilabel: boolean;
}

/** The photos that were judged most wrong. */
export function Mistakes({ project, mistakes, tags, isMultilabel }: Props): React.JSX.Element {
  const said = texts.performance;
  const may = useMay();
  const current = useCurrent(
    project,
    mistakes.flatMap(({ imageId }) => imageId ?? []),
  );
  if (mistakes.length === 0) return <Text size="sm">{said.noMistakes}</Text>;
  return (
    <PhotoCards
      label={said.mistakes}
      items={mistakes}
      card={(mistake) => {
        const { image, imageId, thumbnailUri, truth } = mistake;
        const now = current.data?.get(imageId ?? "");
        const names = now?.tags?.map(({ tagName }) => tagName) ?? [];
        const given = truth.flatMap((name) => tags.get(name)?.id ?? []);
        const isChanged = now !== undefined && !sameTags(now.tags?.map(({ tagId }) => tagId) ?? [], given);
        const text = mistakeText(mistake, isMultilabel);
        return (
          <PhotoCard
            key={image}
            project={project}
            photo={{
              imageId: imageId ?? null,
              src: thumbnailUri ?? null,
              alt: said.openPhotoOf(`${said.isTag(truth)}. ${text}`),
            }}
          >
            <Text size="sm" fw={600}>
              {said.isTag(truth)}
            </Text>
            <Text size="sm">{text}</Text>
            {isChanged && (
              <Text size="xs" c="teal">
                {said.nowTagged(names)}
              </Text>
            )}
            {may.write && now && !isChanged && (
              <Retag project={project} image={now} suggested={null} isMultilabel={isMultilabel} />
            )}
          </PhotoCard>
        );
      }}
    />
  );
}

function mistakeText(mistake: Schemas["MistakenImage"], isMultilabel: boolean): string {
  const said = texts.performance;
  const { truth, predicted, tag, probability, trueProbability } = mistake;
  if (isMultilabel) return said.probabilityOf(tag, probability);
  return sameTags(truth, predicted)
    ? said.unsureOf(predicted.join(", "), trueProbability)
    : said.takenFor(predicted, probability);
}
