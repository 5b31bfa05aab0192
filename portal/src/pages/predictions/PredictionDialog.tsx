import { Button, Group, Modal, Slider, Stack, Text, Title } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { useNavigate } from "react-router";

import { useIterations, useMay } from "@/api/shared";
import { SURE, outcomeOf } from "@/components/outcome";
import { PhotoWithBoxes } from "@/components/PhotoWithBoxes";
import { ProbabilityBars } from "@/components/ProbabilityBars";
import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import type { Stored } from "./additions";
import { SelectionBar } from "./SelectionBar";

interface Props {
  project: string;
  isDetection: boolean;
  isMultilabel: boolean;
  prediction: Stored;
  onClose: () => void;
  onPrevious: (() => void) | null;
  onNext: (() => void) | null;
}

const BARS = 10;

/** One prediction: its photo, what the model said, and what is right. */
export function PredictionDialog(props: Props): React.JSX.Element {
  const { project, isDetection, isMultilabel, prediction, onClose } = props;
  const [threshold, setThreshold] = useState(SURE);
  const iteration = useIterations(project).data?.find(({ id }) => id === prediction.iteration);
  const may = useMay();
  const go = useNavigate();
  const shown = isDetection
    ? prediction.predictions.filter(({ probability }) => probability >= threshold)
    : prediction.predictions;
  const boxes = shown.flatMap(({ tagId, tagName, probability, boundingBox }) =>
    boundingBox ? [{ tagName, probability, boundingBox, colour: tagColour(tagId) }] : [],
  );
  const date = texts.common.date(prediction.created);
  return (
    <Modal opened onClose={onClose} size="xl" title={texts.predictions.asked(date)} closeButtonProps={CLOSE}>
      <Stack gap="sm">
        <PhotoWithBoxes src={prediction.resizedImageUri} alt={texts.predictions.photo} boxes={boxes} isBounded />
        <Title order={3} size="h4" role="status">
          {outcomeOf(prediction.predictions, { isDetection, isMultilabel }, threshold)}
        </Title>
        <Text size="sm" c="dimmed">
          {texts.predictions.answeredBy(iteration?.name ?? "…", iteration?.publishName ?? null)}
        </Text>
        {isDetection && (
          <div>
            <Text size="sm" id="prediction-threshold">
              {texts.quickTest.threshold} {texts.common.percent(threshold)}
            </Text>
            <Slider
              value={threshold}
              onChange={setThreshold}
              min={0.05}
              max={0.95}
              step={0.05}
              label={null}
              thumbProps={{ "aria-labelledby": "prediction-threshold" }}
            />
          </div>
        )}
        <ProbabilityBars predictions={shown} limit={BARS} />
        {may.write && (
          <SelectionBar
            key={prediction.id}
            project={project}
            isDetection={isDetection}
            isMultilabel={isMultilabel}
            selected={[prediction]}
            threshold={threshold}
            onClear={onClose}
            isOpened
            onAdded={([image]) => {
              if (isDetection && image) void go(`/projects/${project}/images/${image}`);
            }}
          />
        )}
        <Group justify="space-between">
          <Step label={texts.predictions.previous} step={props.onPrevious} icon={<IconChevronLeft size={16} aria-hidden />} />
          <Step label={texts.predictions.next} step={props.onNext} icon={<IconChevronRight size={16} aria-hidden />} />
        </Group>
      </Stack>
    </Modal>
  );
}

function Step(props: { label: string; step: (() => void) | null; icon: React.ReactNode }): React.JSX.Element {
  return (
    <Button
      variant="default"
      size="compact-md"
      data-repeatable
      leftSection={props.icon}
      disabled={props.step === null}
      onClick={() => props.step?.()}
    >
      {props.label}
    </Button>
  );
}

const CLOSE = { "aria-label": texts.common.close };
