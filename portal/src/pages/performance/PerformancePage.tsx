import { Alert, Anchor, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { Link, useParams } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, isUnderWay, useIsDetection, useIterations } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { IterationBar } from "./iteration/IterationBar";
import { IterationFacts } from "./iteration/IterationFacts";
import { ClassifierEvaluation } from "./kinds/ClassifierEvaluation";
import { DetectorEvaluation } from "./kinds/DetectorEvaluation";
import { PlainFigures } from "./kinds/PlainFigures";
import { useEvaluation } from "./useEvaluation";

/** How good an iteration is, and where it goes wrong. */
export default function PerformancePage(): React.JSX.Element {
  const project = useProjectId();
  const { iterationId } = useParams();
  const said = texts.performance;
  const iterations = useIterations(project);
  if (iterations.error && !iterations.data) {
    return <ErrorNote error={iterations.error} retry={() => void iterations.refetch()} />;
  }
  if (!iterations.data) return <Loader role="status" aria-label={texts.common.loading} />;
  const all = iterations.data;
  const shown = iterationId ? all.find(({ id }) => id === iterationId) : (all.find(isTrained) ?? all[0]);
  if (!shown && iterationId) {
    return (
      <EmptyNote title={said.unknown} text={said.unknownText}>
        <Button component={Link} to={`/projects/${project}/performance`}>
          {said.newest}
        </Button>
      </EmptyNote>
    );
  }
  if (!shown) {
    return (
      <EmptyNote title={said.untrained} text={said.untrainedText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {said.train}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Stack maw={1320} mx="auto">
      <IterationBar project={project} iterations={all} shown={shown} />
      {isTrained(shown) ? (
        <Trained key={shown.id} project={project} iteration={shown} />
      ) : (
        <NotTrained project={project} iteration={shown} />
      )}
    </Stack>
  );
}

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
}

function Trained({ project, iteration }: Props): React.JSX.Element {
  const said = texts.performance;
  const evaluation = useEvaluation(project, iteration.id);
  const isDetection = useIsDetection(project);
  const found = evaluation.data;
  const judged = found ? { images: found.heldOut.overall.images, folds: found.folds } : null;
  const shared = { project, iteration: iteration.id };
  return (
    <Stack>
      <Group justify="space-between" align="end">
        <IterationFacts iteration={iteration} judged={judged} />
        {found?.reportUri && (
          <Anchor href={found.reportUri} target="_blank" rel="noreferrer" size="sm" title={said.reportHint}>
            {said.report} <IconExternalLink size={14} aria-label={said.reportHint} style={{ verticalAlign: "-2px" }} />
          </Anchor>
        )}
      </Group>
      {evaluation.error && <ErrorNote error={evaluation.error} retry={() => void evaluation.refetch()} />}
      {(evaluation.isPending || isDetection === undefined) && <Loader role="status" aria-label={texts.common.loading} />}
      {found === null && isDetection !== undefined && <PlainFigures {...shared} isDetection={isDetection} />}
      {found?.classification === "detection" && <DetectorEvaluation {...shared} evaluation={found} />}
      {found && found.classification !== "detection" && <ClassifierEvaluation {...shared} evaluation={found} />}
    </Stack>
  );
}

function NotTrained({ project, iteration }: Props): React.JSX.Element {
  const said = texts.performance;
  return (
    <Stack>
      <IterationFacts iteration={iteration} judged={null} />
      {isUnderWay(iteration) ? (
        <EmptyNote title={said.underWay} text={said.underWayText}>
          <Button component={Link} to={`/projects/${project}/train`}>
            {said.train}
          </Button>
        </EmptyNote>
      ) : (
        <Alert color="red" title={said.failed}>
          <Text size="sm">{iteration.trainingErrorDetails}</Text>
        </Alert>
      )}
    </Stack>
  );
}
