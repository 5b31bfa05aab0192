import { Anchor, Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { announce } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import type { CellTag } from "../confusion/cells";
import { PhotoCard } from "../photos/PhotoCard";
import { isBoxFixed, regionOf } from "./changed";
import { SuspectList } from "./SuspectList";
import { useChecked } from "./useChecked";
import { useCurrent } from "./useCurrent";
import { useDrawBox } from "./useFixes";

type Issue = Schemas["SuspectBox"];

interface Props {
  project: string;
  iteration: string;
  issues: readonly Issue[];
  tags: ReadonlyMap<string, CellTag>;
}

/** Boxes that are likely missing or wrong, to be fixed on the spot or in the photo's page. */
export function WrongBoxes({ project, iteration, issues, tags }: Props): React.JSX.Element {
  const said = texts.performance;
  const checked = useChecked(iteration);
  const idOf = (tag: string): string => tags.get(tag)?.id ?? tag;
  const present = issues.filter(({ imageId }) => imageId !== null);
  const imageIds = [...new Set(present.map(({ imageId }) => imageId ?? ""))];
  const current = useCurrent(project, imageIds);
  const photos = current.data;
  const open = photos
    ? present.filter((issue) => {
        const image = photos.get(issue.imageId ?? "");
        return image !== undefined && !checked.has(keyOf(issue)) && !isBoxFixed(issue, image, idOf);
      })
    : undefined;
  return (
    <SuspectList
      title={said.wrongBoxes}
      note={said.wrongBoxesNote}
      all={issues}
      open={issues.length === 0 ? [] : open}
      error={current.error}
      retry={() => void current.refetch()}
      card={(issue, done) => {
        const image = photos?.get(issue.imageId ?? "");
        if (!image) return null;
        return (
          <BoxCard
            key={keyOf(issue)}
            project={project}
            issue={issue}
            image={image}
            idOf={idOf}
            onDone={done}
            onKeep={() => {
              checked.add(keyOf(issue));
              done();
            }}
          />
        );
      }}
    />
  );
}

interface CardProps {
  project: string;
  issue: Issue;
  image: Schemas["Image"];
  idOf: (tag: string) => string;
  onDone: () => void;
  onKeep: () => void;
}

function BoxCard({ project, issue, image, idOf, onDone, onKeep }: CardProps): React.JSX.Element {
  const said = texts.performance;
  const may = useMay();
  const draw = useDrawBox(project, () => {
    announce(said.boxFixed);
    onDone();
  });
  const { problem, given, suggested, place, suggestedPlace, probability } = issue;
  const text = problem === "wrong_tag" ? said.problem.wrong_tag(suggested, given ?? "") : said.problem[problem](suggested);
  const fix = (): void =>
    draw.mutate({
      imageId: image.id,
      box: { tagId: idOf(suggested), ...(problem === "wrong_tag" && place ? place : suggestedPlace) },
      instead: regionOf(issue, image, idOf)?.regionId ?? null,
    });
  const boxes = [
    ...(place ? [{ tagName: given ?? "", tagId: idOf(given ?? ""), boundingBox: place }] : []),
    { tagName: suggested, tagId: idOf(suggested), probability, boundingBox: suggestedPlace, dashed: true },
  ];
  return (
    <PhotoCard
      project={project}
      photo={{ imageId: image.id, src: image.thumbnailUri, alt: said.openPhotoOf(text) }}
      boxes={boxes}
    >
      <Text size="sm">{text}</Text>
      {draw.error && <ErrorNote error={draw.error} />}
      {may.write && (
        <Group gap={4}>
          <Button size="compact-sm" px={6} variant="light" onClick={fix} loading={draw.isPending}>
            {said.fixBox[problem]}
          </Button>
          <Button size="compact-sm" px={6} variant="subtle" onClick={onKeep}>
            {said.keep}
          </Button>
        </Group>
      )}
      <Anchor component={Link} to={`/projects/${project}/images/${image.id}`} size="sm">
        {said.editBoxes}
      </Anchor>
    </PhotoCard>
  );
}

function keyOf({ imageId, problem, suggestedPlace: { left, top } }: Issue): string {
  return `${imageId} ${problem} ${left} ${top}`;
}
