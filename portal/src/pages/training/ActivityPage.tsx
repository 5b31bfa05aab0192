import { Box, Button, Grid, Loader, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useMay, useMe } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { Filters } from "./activity/Filters";
import { JobCard } from "./activity/JobCard";
import { type Filters as Chosen, useEndedJobs, useOpenJobs } from "./activity/useActivity";
import { Workers } from "./activity/Workers";
import styles from "./training.module.css";

const DETAILED = 12;
const ANY: Chosen = { kind: null, projectId: null, state: null };

/** What goes on and went on, in all projects of the server. */
export default function ActivityPage(): React.JSX.Element {
  const me = useMe();
  const may = useMay();
  if (me.error) return <ErrorNote error={me.error} retry={() => void me.refetch()} />;
  if (!me.data) return <Loader m="md" aria-label={texts.common.loading} />;
  if (!may.administer) {
    return <EmptyNote title={texts.activity.adminOnly} text={texts.activity.adminOnlyText} />;
  }
  return <Activity />;
}

function Activity(): React.JSX.Element {
  const said = texts.activity;
  const [filters, setFilters] = useState(ANY);
  const open = useOpenJobs(filters);
  const isFiltered = filters.kind !== null || filters.projectId !== null;
  return (
    <Box p="md">
      <Title order={1} size="h3">
        {said.title}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {said.intro}
      </Text>
      <Filters filters={filters} onChange={setFilters} />
      <Grid maw={1240} gap="lg" mt="md">
        <Grid.Col span={{ base: 12, md: 8 }}>
          <Stack gap="lg">
            <Stack gap="sm" component="section" aria-label={said.underWay(open.data?.length ?? 0)}>
              <Title order={2} size="h4">
                {said.underWay(open.data?.length ?? 0)}
              </Title>
              {open.error && !open.data && (
                <ErrorNote error={open.error} retry={() => void open.refetch()} />
              )}
              {open.data?.length === 0 && (
                <Text size="sm" c="dimmed">
                  {isFiltered ? said.noneFits : said.nothing}
                </Text>
              )}
              {open.data?.map((job, place) => (
                <JobCard key={job.id} job={job} detailed={place < DETAILED} />
              ))}
            </Stack>
            <Ended filters={filters} open={open.data} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Workers open={open.data ?? []} />
        </Grid.Col>
      </Grid>
    </Box>
  );
}

type Open = ReturnType<typeof useOpenJobs>["data"];

function Ended({ filters, open }: { filters: Chosen; open: Open }): React.JSX.Element {
  const said = texts.activity;
  const ended = useEndedJobs(filters, open);
  const isFiltered = Object.values(filters).some((value) => value !== null);
  return (
    <Stack gap="sm" component="section" aria-label={said.ended}>
      <Title order={2} size="h4">
        {said.ended}
      </Title>
      {ended.error && !ended.jobs && <ErrorNote error={ended.error} retry={() => void ended.refetch()} />}
      {ended.isPending && <Loader size="sm" aria-label={texts.common.loading} />}
      {ended.jobs?.length === 0 && (
        <Text size="sm" c="dimmed">
          {isFiltered ? said.noneFits : said.noneEnded}
        </Text>
      )}
      <Stack gap="xs" component="ul" className={styles["list"]}>
        {ended.jobs?.map((job) => (
          <li key={job.id}>
            <JobCard job={job} />
          </li>
        ))}
      </Stack>
      {ended.hasNextPage && (
        <Button
          variant="default"
          loading={ended.isFetchingNextPage}
          onClick={() => void ended.fetchNextPage()}
        >
          {said.more}
        </Button>
      )}
    </Stack>
  );
}
