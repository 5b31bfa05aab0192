import { Button, Group, Loader, Select, Slider, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useMay, useProject } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { SURE, byProbability, outcomeOf } from "@/components/outcome";
import { PhotoWithBoxes } from "@/components/PhotoWithBoxes";
import { ProbabilityBars } from "@/components/ProbabilityBars";
import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import { BoxCorrection, TagCorrection } from "./Correction";
import styles from "./QuickTest.module.css";
import { useHeatMap } from "./useQuickTest";
import type { Test } from "./visit";

const BARS = 10;

interface Props {
  project: string;
  test: Test;
}

/** What a classifier says of a photo. */
export function TagResult({ project, test }: Props): React.JSX.Element {
  const isMultilabel = useProject(project).data?.settings.classificationType === "Multilabel";
  const may = useMay();
  const [tag, setTag] = useState<string | null>(null);
  const map = useHeatMap(project, test, tag);
  const sorted = byProbability(test.predictions);
  const explained = sorted.filter(({ tagType }) => tagType === "Regular");
  const name = sorted.find(({ tagId }) => tagId === tag)?.tagName;
  return (
    <div className={styles["result"]}>
      <Stack gap="xs">
        {map.data && name ? (
          <img className={styles["photo"]} src={map.data} alt={texts.quickTest.map(name)} />
        ) : (
          <Photo test={test} />
        )}
        {map.error && <ErrorNote error={map.error} />}
        <Group gap="xs" align="end">
          {explained[0] && (
            <Button
              variant="default"
              size="compact-md"
              loading={map.isFetching}
              onClick={() => setTag(tag ? null : (explained[0]?.tagId ?? null))}
            >
              {tag ? texts.quickTest.hideMap : texts.quickTest.showMap}
            </Button>
          )}
          {tag && explained.length > 1 && (
            <Select
              size="xs"
              aria-label={texts.quickTest.mapOf}
              data={explained.slice(0, BARS).map(({ tagId, tagName }) => ({ value: tagId, label: tagName }))}
              value={tag}
              onChange={(chosen) => chosen && setTag(chosen)}
              allowDeselect={false}
            />
          )}
        </Group>
      </Stack>
      <Stack gap="md">
        <Outcome text={outcomeOf(test.predictions, { isDetection: false, isMultilabel })} />
        <ProbabilityBars predictions={sorted} limit={BARS} />
        {may.write && <TagCorrection key={test.id} project={project} test={test} isMultilabel={isMultilabel} />}
      </Stack>
    </div>
  );
}

/** What a detector finds on a photo. */
export function BoxResult({ project, test }: Props): React.JSX.Element {
  const [threshold, setThreshold] = useState(SURE);
  const may = useMay();
  const shown = byProbability(test.predictions).filter(({ probability }) => probability >= threshold);
  const boxes = shown.flatMap(({ tagId, tagName, probability, boundingBox }) =>
    boundingBox ? [{ tagName, probability, boundingBox, colour: tagColour(tagId) }] : [],
  );
  return (
    <div className={styles["result"]}>
      <div>
        {test.src ? <PhotoWithBoxes src={test.src} alt={texts.quickTest.photo} boxes={boxes} /> : <Photo test={test} />}
      </div>
      <Stack gap="md">
        <Outcome text={outcomeOf(test.predictions, { isDetection: true, isMultilabel: false }, threshold)} />
        {shown.length === 0 && (
          <Text size="sm" c="dimmed">
            {texts.quickTest.lower}
          </Text>
        )}
        <div>
          <Text size="sm" id="threshold">
            {texts.quickTest.threshold} {texts.common.percent(threshold)}
          </Text>
          <Slider
            value={threshold}
            onChange={setThreshold}
            min={0.05}
            max={0.95}
            step={0.05}
            label={(share) => texts.common.percent(share)}
            thumbProps={{ "aria-labelledby": "threshold" }}
          />
        </div>
        <ProbabilityBars predictions={shown} limit={BARS} />
        {may.write && <BoxCorrection project={project} test={test} shown={shown} />}
      </Stack>
    </div>
  );
}

function Outcome({ text }: { text: string }): React.JSX.Element {
  return (
    <Title order={2} size="h3" role="status" aria-live="polite">
      {text}
    </Title>
  );
}

function Photo({ test }: { test: Test }): React.JSX.Element {
  if (test.src) return <img className={styles["photo"]} src={test.src} alt={texts.quickTest.photo} />;
  return (
    <Text size="sm" c="dimmed">
      {texts.quickTest.photoOf(test.url ?? "")}. {texts.quickTest.notShown}
    </Text>
  );
}

export function Asking(): React.JSX.Element {
  return (
    <Group gap="xs" role="status">
      <Loader size="sm" aria-hidden />
      <Text size="sm">{texts.quickTest.asking}</Text>
    </Group>
  );
}
