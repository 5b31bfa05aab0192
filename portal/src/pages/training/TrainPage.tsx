import { Button, Grid, Loader, Stack, Text } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Link } from "react-router";

import { isUnderWay, useIsDetection, useIterations, useMay, useProject, useTags } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { useInfo } from "@/pages/images/useInfo";
import { texts } from "@/texts";

import { Iterations } from "./Iterations";
import { Outcome } from "./Outcome";
import { rulesOf } from "./plan";
import { TrainForm } from "./TrainForm";
import { UnderWay } from "./UnderWay";
import { useRenew } from "./useTraining";

/** Train the project, watch the training, and see what came of it and of those before. */
export default function TrainPage(): React.JSX.Element {
  const project = useProjectId();
  const said = texts.training;
  const may = useMay();
  const info = useInfo();
  const tags = useTags(project);
  const summary = useProject(project);
  const iterations = useIterations(project);
  const detects = useIsDetection(project);
  const underWay = iterations.data?.find(isUnderWay);
  useRenewAtEnd(project, underWay?.id);
  const failed = [info, tags, summary, iterations].find((query) => query.error && !query.data);
  if (failed) return <ErrorNote error={failed.error} retry={() => void failed.refetch()} />;
  if (!info.data || !tags.data || !summary.data || !iterations.data || detects === undefined) {
    return <Loader aria-label={texts.common.loading} />;
  }
  const newest = iterations.data[0];
  const { settings } = summary.data;
  if (tags.data.length === 0 && !newest) {
    return (
      <EmptyNote title={said.noTags} text={detects ? said.noTagsBoxes : said.noTagsText}>
        <Button component={Link} to={`/projects/${project}/images`}>
          {said.toImages}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Grid maw={1240} gap="lg">
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack gap={0}>
          {underWay && <UnderWay key={underWay.id} project={project} iteration={underWay} />}
          <div aria-live="polite">
            {!underWay && newest && <Outcome project={project} iteration={newest} />}
          </div>
          {may.write ? (
            <TrainForm
              project={project}
              tags={tags.data}
              rules={rulesOf(
                info.data.limits,
                detects,
                settings.classificationType === "Multiclass" ? null : summary.data.taggedImageCount,
              )}
              untagged={summary.data.untaggedImageCount}
              busy={underWay !== undefined}
            />
          ) : (
            <Text c="dimmed">{said.readOnly}</Text>
          )}
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Iterations project={project} iterations={iterations.data} />
      </Grid.Col>
    </Grid>
  );
}

/** When a training ends, its figures and what else it changed are read. */
function useRenewAtEnd(project: string, underWay: string | undefined): void {
  const renew = useRenew(project);
  const before = useRef(underWay);
  useEffect(() => {
    if (before.current && before.current !== underWay) void renew();
    before.current = underWay;
  });
}
