import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import type { CellTag } from "../confusion/cells";
import { PhotoCard } from "./PhotoCard";
import { PhotoCards } from "./PhotoCards";

interface Props {
  project: string;
  mistakes: readonly Schemas["MistakenBoxes"][];
  tags: ReadonlyMap<string, CellTag>;
}

const FAULTS_SAID = 3;

/** The photos in which most boxes went wrong, with these. */
export function BoxMistakes({ project, mistakes, tags }: Props): React.JSX.Element {
  const said = texts.performance;
  if (mistakes.length === 0) return <Text size="sm">{said.noMistakes}</Text>;
  return (
    <PhotoCards
      label={said.mistakes}
      items={mistakes}
      card={({ image, imageId, thumbnailUri, boxes, correct, faults }) => {
        const told = faults.map(faultText);
        return (
          <PhotoCard
            key={image}
            project={project}
            photo={{ imageId: imageId ?? null, src: thumbnailUri ?? null, alt: said.openPhotoOf("") }}
            boxes={faults.map(({ fault, tag, place, score }) => ({
              tagName: tag,
              tagId: tags.get(tag)?.id ?? tag,
              boundingBox: place,
              ...(fault === "missed" ? {} : { probability: score, dashed: true }),
            }))}
          >
            <Text size="sm" fw={600}>
              {said.correctBoxes(correct, boxes)}
            </Text>
            {told.slice(0, FAULTS_SAID).map((text, place) => (
              <Text key={place} size="xs">
                {text}
              </Text>
            ))}
            {told.length > FAULTS_SAID && (
              <Text size="xs" c="dimmed">
                {said.moreFaults(told.length - FAULTS_SAID)}
              </Text>
            )}
          </PhotoCard>
        );
      }}
    />
  );
}

function faultText({ fault, tag, trueTag }: Schemas["BoxFault"]): string {
  const said = texts.performance.faultOf;
  return fault === "wrong_tag" ? said.wrong_tag(tag, trueTag ?? "") : said[fault](tag);
}
