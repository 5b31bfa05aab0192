import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { PhotoWithBoxes, type ShownBox } from "@/components/PhotoWithBoxes";
import { texts } from "@/texts";

import { PhotoCard } from "../photos/PhotoCard";
import { PhotoCards } from "../photos/PhotoCards";
import { Section } from "../Section";

type Compared = Schemas["ComparedImage"];
type Said = Schemas["SaidTag"];

interface Props {
  project: string;
  title: string;
  note: string;
  /** Said where there is none. */
  none: string;
  photos: readonly Compared[];
  count: number;
  name: string;
  otherName: string;
  isDetection: boolean;
}

const TAGS_SAID = 2;

/** Photos that one iteration judged right and the other wrong, with what each said. */
export function ComparedPhotos(props: Props): React.JSX.Element {
  const { project, title, photos, count, name, otherName } = props;
  const said = texts.compare;
  const Card = props.isDetection ? BoxCard : TagCard;
  const note = count > photos.length ? `${props.note}. ${said.first(photos.length, count)}` : `${props.note}.`;
  return (
    <Section title={said.titleWithCount(title, count)} note={note}>
      {photos.length === 0 ? (
        <Text size="sm">{props.none}</Text>
      ) : (
        <PhotoCards
          label={title}
          items={photos}
          card={(photo, place) => (
            <Card key={photo.imageId ?? place} project={project} photo={photo} name={name} otherName={otherName} />
          )}
        />
      )}
    </Section>
  );
}

interface CardProps {
  project: string;
  photo: Compared;
  name: string;
  otherName: string;
}

function TagCard({ project, photo, name, otherName }: CardProps): React.JSX.Element {
  return (
    <PhotoCard project={project} photo={cardPhoto(photo)}>
      <Text size="sm" fw={600}>
        {texts.performance.isTag(photo.tags)}
      </Text>
      <Saying name={name} said={photo.said} />
      <Saying name={otherName} said={photo.otherSaid} />
    </PhotoCard>
  );
}

function BoxCard({ project, photo, name, otherName }: CardProps): React.JSX.Element {
  const { thumbnailUri, regions, otherSaid } = photo;
  return (
    <PhotoCard project={project} photo={cardPhoto(photo)} boxes={boxesOf(photo, photo.said)}>
      <Text size="xs" c="dimmed">
        {texts.compare.aboveSays(name)}
      </Text>
      {thumbnailUri && (
        <PhotoWithBoxes src={thumbnailUri} alt={texts.compare.says(otherName)} boxes={boxesOf(photo, otherSaid)} labels={false} />
      )}
      <Text size="xs" c="dimmed">
        {texts.compare.aboveSays(otherName)}
      </Text>
      <Text size="xs">{texts.compare.drawnBoxes(regions.map(({ tagName }) => tagName))}</Text>
    </PhotoCard>
  );
}

function Saying({ name, said }: { name: string; said: readonly Said[] }): React.JSX.Element {
  const [first, ...rest] = said.slice(0, TAGS_SAID).map((one) => texts.performance.saidOf(one.tagName, one.probability));
  return (
    <Text size="xs">
      <Text span inherit c="dimmed">
        {texts.compare.says(name)}{" "}
      </Text>
      <Text span inherit fw={600}>
        {first ?? texts.compare.nothing}
      </Text>
      {rest.length > 0 && `, ${rest.join(", ")}`}
    </Text>
  );
}

function boxesOf(photo: Compared, said: readonly Said[]): ShownBox[] {
  return [
    ...photo.regions.map(({ tagName, boundingBox }) => ({ tagName, boundingBox })),
    ...said.flatMap(({ tagName, probability, boundingBox }) =>
      boundingBox ? [{ tagName, probability, boundingBox, dashed: true }] : [],
    ),
  ];
}

function cardPhoto({ imageId, thumbnailUri, tags }: Compared) {
  const alt = texts.performance.openPhotoOf(tags.join(", "));
  return { imageId, src: thumbnailUri, alt };
}
