import { Anchor, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { useLabels } from "../images/labelling/useLabels";
import { AskForm } from "./AskForm";
import { BoxSuggestions } from "./BoxSuggestions";
import { SuggestionFilters } from "./SuggestionFilters";
import { boxesFrom } from "./suggestions";
import { TagSuggestions } from "./TagSuggestions";
import { useRejected } from "./useRejected";
import { type Wanted, useSuggestedIds, useSuggestions } from "./useSuggestions";

interface Props {
  project: string;
  iteration: Schemas["Iteration"];
  iterations: readonly Schemas["Iteration"][];
  onIteration: (id: string) => void;
  tags: readonly Schemas["Tag"][];
  limits: Schemas["Info"]["limits"];
  isDetection: boolean;
  isMultilabel: boolean;
  /** Photos without tags. */
  untagged: number;
}

/** Of a box: below, it is rather wrong than right. */
const BOX_THRESHOLD = 0.5;

export function Suggestions(props: Props): React.JSX.Element {
  const { project, iteration, limits, isDetection } = props;
  const may = useMay();
  const labels = useLabels(project, limits);
  const [wanted, setWanted] = useState<Wanted>({
    iterationId: iteration.id,
    tagId: null,
    threshold: isDetection ? BOX_THRESHOLD : 0,
    surest: false,
  });
  const ids = useSuggestedIds(project, iteration.id);
  const found = useSuggestions(project, wanted);
  const { rejected, reject, restore } = useRejected(iteration.id);
  const all = useMemo(() => (found.data?.pages ?? []).flatMap(({ results }) => results), [found.data]);
  const untaggedYet = all.filter((one) => labels.tagsOf({ id: one.id, tags: [], asked: one.asked }).size === 0);
  const shown = untaggedYet.filter(
    (one) => !rejected.has(one.id) && (!isDetection || boxesFrom(one, wanted.threshold).length > 0),
  );
  const rejectedHere = untaggedYet.filter(({ id }) => rejected.has(id)).length;
  const failed = found.error ?? ids.error;
  const hasSuggestions = (ids.data?.size ?? 0) > 0;
  const without = ids.data ? Math.max(0, props.untagged - ids.data.size) : null;
  const common = { project, limits, suggestions: shown, mayWrite: may.write, onReject: reject };

  if (ids.data && !hasSuggestions && props.untagged === 0) {
    return (
      <EmptyNote title={texts.suggested.nothingUntagged} text={texts.suggested.nothingUntaggedText}>
        <Button component={Link} to={`/projects/${project}/images`}>
          {texts.suggested.addPhotos}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Stack gap="md">
      {ids.data && !hasSuggestions && (
        <EmptyNote
          title={texts.suggested.noneYet}
          text={
            may.write
              ? texts.suggested.noneYetText(props.untagged, iteration.name)
              : texts.suggested.noneYetReadOnly
          }
        />
      )}
      {may.write && ids.data && (
        <AskForm
          project={project}
          iterationId={iteration.id}
          without={without ?? 0}
          known={ids.data}
          isFirst={!hasSuggestions}
        />
      )}
      {failed && (
        <ErrorNote
          error={failed}
          retry={() => {
            void found.refetch();
            void ids.refetch();
          }}
        />
      )}
      {(found.isPending || ids.isPending) && !failed && <Loader aria-label={texts.common.loading} />}
      {hasSuggestions && (
        <>
          <SuggestionFilters {...props} wanted={wanted} onWanted={setWanted} />
          <Group gap="xs" justify="space-between">
            <Text size="sm" role="status">
              {texts.suggested.left(props.untagged, without)}
              {labels.open > 0 && ` · ${texts.images.saving(labels.open)}`}
            </Text>
            {rejectedHere > 0 && (
              <Text size="sm">
                {texts.suggested.rejected(rejectedHere)}{" "}
                <Anchor component="button" type="button" size="sm" onClick={restore}>
                  {texts.suggested.restore}
                </Anchor>
              </Text>
            )}
          </Group>
          {isDetection ? (
            <BoxSuggestions {...common} threshold={wanted.threshold} />
          ) : (
            <TagSuggestions {...common} labels={labels} tags={props.tags} isMultilabel={props.isMultilabel} />
          )}
          {found.data && shown.length === 0 && !found.hasNextPage && !found.isFetching && (
            <EmptyNote
              title={untaggedYet.length === 0 && all.length > 0 ? texts.suggested.allDone : texts.suggested.noneFit}
              text={untaggedYet.length === 0 && all.length > 0 ? undefined : texts.suggested.noneFitText}
            />
          )}
          {found.hasNextPage && (
            <Group justify="center">
              <Button
                variant="default"
                loading={found.isFetchingNextPage}
                onClick={() => void found.fetchNextPage()}
              >
                {texts.suggested.more}
              </Button>
            </Group>
          )}
        </>
      )}
    </Stack>
  );
}
