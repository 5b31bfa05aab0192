import { Button, Loader } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { isTrained, useIsDetection, useIterations, useProject, useTags } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { useInfo } from "../images/useInfo";
import { Suggestions } from "./Suggestions";

/** What an iteration suggests for untagged photos, to be confirmed. */
export default function SuggestedPage(): React.JSX.Element {
  const project = useProjectId();
  const iterations = useIterations(project);
  const summary = useProject(project);
  const tags = useTags(project);
  const info = useInfo();
  const isDetection = useIsDetection(project);
  const [chosen, setChosen] = useState<string | null>(null);
  const failed = [iterations, info, tags].find((query) => query.error && !query.data);
  if (failed) return <ErrorNote error={failed.error} retry={() => void failed.refetch()} />;
  if (!iterations.data || !info.data || !tags.data || !summary.data || isDetection === undefined) {
    return <Loader aria-label={texts.common.loading} />;
  }
  const trained = iterations.data.filter(isTrained);
  const iteration = trained.find(({ id }) => id === chosen) ?? trained[0];
  if (!iteration) {
    return (
      <EmptyNote title={texts.suggested.untrained} text={texts.suggested.untrainedText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {texts.suggested.train}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Suggestions
      key={iteration.id}
      project={project}
      iteration={iteration}
      iterations={trained}
      onIteration={setChosen}
      tags={tags.data}
      limits={info.data.limits}
      isDetection={isDetection}
      isMultilabel={summary.data.settings.classificationType === "Multilabel"}
      untagged={summary.data.untaggedImageCount}
    />
  );
}
