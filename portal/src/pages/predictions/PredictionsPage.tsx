import { Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useCallback, useMemo, useState } from "react";
import { Link } from "react-router";

import { useIsDetection, useMay, useProject } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { SURE, outcomeOf } from "@/components/outcome";
import { PhotoGrid } from "@/components/PhotoGrid";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { PredictionDialog } from "./PredictionDialog";
import { PredictionFilters } from "./PredictionFilters";
import { ALL, type Filters, isFiltered } from "./query";
import styles from "./Predictions.module.css";
import { SelectionBar } from "./SelectionBar";
import { usePredictions } from "./usePredictions";

/** What programs and tests asked, to learn from it. */
export default function PredictionsPage(): React.JSX.Element {
  const project = useProjectId();
  const isDetection = useIsDetection(project);
  const isMultilabel = useProject(project).data?.settings.classificationType === "Multilabel";
  const may = useMay();
  const [filters, setFilters] = useState<Filters>(ALL);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState(0);
  const [anchor, setAnchor] = useState(0);
  const [opened, setOpened] = useState<number | null>(null);
  const found = usePredictions(project, filters);
  const all = useMemo(
    () =>
      (found.data?.pages ?? [])
        .flatMap(({ results }) => results)
        .map((one) => ({
          ...one,
          label: outcomeOf(one.predictions, { isDetection: isDetection ?? false, isMultilabel }),
        })),
    [found.data, isDetection, isMultilabel],
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(
    (_: number, last: number) => {
      if (hasNextPage && !isFetchingNextPage && last >= all.length - 30) void fetchNextPage();
    },
    [hasNextPage, isFetchingNextPage, fetchNextPage, all.length],
  );
  const pick = (place: number, { shift }: { shift: boolean }): void => {
    const changed = new Set(selected);
    if (shift) {
      for (const one of all.slice(Math.min(anchor, place), Math.max(anchor, place) + 1)) changed.add(one.id);
    } else {
      const id = all[place]?.id;
      if (id && !changed.delete(id)) changed.add(id);
      setAnchor(place);
    }
    setSelected(changed);
  };
  const click = (place: number, modifiers: { shift: boolean; control: boolean }, tick: boolean): void => {
    if (may.write && (tick || modifiers.shift || modifiers.control)) pick(place, modifiers);
    else setOpened(place);
  };
  if (isDetection === undefined) return <Loader aria-label={texts.common.loading} />;
  const shown = opened === null ? undefined : all[opened];
  const chosen = all.filter(({ id }) => selected.has(id));
  const isEmpty = found.data !== undefined && all.length === 0;
  const isUnasked = isEmpty && !isFiltered(filters);
  const lookAgain = (
    <Button variant="default" onClick={() => void found.refetch()} loading={found.isRefetching}>
      {texts.predictions.refresh}
    </Button>
  );
  return (
    <Stack>
      {!isUnasked && (
        <Group justify="space-between" align="end">
          <PredictionFilters project={project} value={filters} onChange={setFilters} />
          {lookAgain}
        </Group>
      )}
      {found.error && <ErrorNote error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loader aria-label={texts.common.loading} />}
      {isEmpty && isFiltered(filters) && (
        <EmptyNote title={texts.predictions.noneOfFilter}>
          <Button variant="default" onClick={() => setFilters({ ...ALL, order: filters.order })}>
            {texts.predictions.clearFilters}
          </Button>
        </EmptyNote>
      )}
      {isUnasked && (
        <EmptyNote title={texts.predictions.empty} text={texts.predictions.emptyText}>
          <Group justify="center">
            <Button component={Link} to={`/projects/${project}/publish`}>
              {texts.publish.title}
            </Button>
            <Button component={Link} to={`/projects/${project}/test`} variant="default">
              {texts.quickTest.title}
            </Button>
            {lookAgain}
          </Group>
        </EmptyNote>
      )}
      {all.length > 0 && (
        <>
          <Text size="sm" c="dimmed" role="status">
            {texts.predictions.count(all.length, hasNextPage)}
          </Text>
          {may.write && chosen.length > 0 && (
            <SelectionBar
              project={project}
              isDetection={isDetection}
              isMultilabel={isMultilabel}
              selected={chosen}
              threshold={SURE}
              onClear={() => setSelected(new Set())}
            />
          )}
          <PhotoGrid
            label={texts.predictions.title}
            count={all.length}
            photoAt={(place) => all[place]}
            selected={selected}
            focused={focused}
            onFocus={setFocused}
            onPick={click}
            onOpen={setOpened}
            onSeen={more}
            over={({ label }) => (
              <span className={styles["said"]} title={label}>
                {label}
              </span>
            )}
          />
        </>
      )}
      {shown && opened !== null && (
        <PredictionDialog
          project={project}
          isDetection={isDetection}
          isMultilabel={isMultilabel}
          prediction={shown}
          onClose={() => setOpened(null)}
          onPrevious={opened > 0 ? () => setOpened(opened - 1) : null}
          onNext={opened < all.length - 1 ? () => setOpened(opened + 1) : null}
        />
      )}
    </Stack>
  );
}
