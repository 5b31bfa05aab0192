import { Alert, Anchor, Loader, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { OWN, type Schemas, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { useMay } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { Facts } from "@/components/Facts";
import { Section } from "@/components/Section";
import { texts } from "@/texts";

import { ServerUsage } from "./ServerUsage";

const RENEWED_MS = 5_000;

/** The server, its queue and its limits. */
export function About(): React.JSX.Element {
  const info = useQuery({
    queryKey: keys.info,
    queryFn: () => dataOf(api.GET(`${OWN}/info`)),
    refetchInterval: RENEWED_MS,
  });
  const may = useMay();
  const said = texts.server.about;
  if (!info.data) {
    if (info.error) return <ErrorNote error={info.error} retry={() => void info.refetch()} />;
    return <Loader aria-label={texts.common.loading} />;
  }
  const { version, time, warnings, features, lanes, limits } = info.data;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: "start" }}>
      <Stack>
        <Section title={said.server}>
          <Facts
            facts={[
              [said.version, version],
              [said.time, texts.common.date(time)],
              [said.state, warnings.length === 0 ? said.works : said.warnings],
              [said.urls, said.urlFetch(features.urlFetch)],
            ]}
          />
          {warnings.map((warning) => (
            <Alert key={warning} color="orange">
              {warning}
            </Alert>
          ))}
          <Anchor href="/docs" target="_blank" size="sm">
            {said.docs}
          </Anchor>
        </Section>
        {may.administer && (
          <Section title={texts.settings.usage.title} text={texts.settings.usage.serverText}>
            <ServerUsage />
          </Section>
        )}
        <Section title={said.queue} text={said.queueText}>
          <Queue lanes={lanes} />
          {may.administer && <Workers />}
        </Section>
      </Stack>
      <Section title={said.limits} text={said.limitsText}>
        <Limits limits={limits} />
      </Section>
    </SimpleGrid>
  );
}

function Queue({ lanes }: { lanes: readonly Schemas["Lane"][] }): React.JSX.Element {
  const said = texts.server.about;
  return (
    <>
      {lanes.every(({ workers }) => workers === 0) && <Alert color="orange">{said.noWorker}</Alert>}
      <Facts
        facts={lanes.map(({ lane, workers, running, waiting }) => [
          said.lanes[lane],
          said.lane(workers, running, waiting),
        ])}
      />
    </>
  );
}

function Workers(): React.JSX.Element {
  const workers = useQuery({
    queryKey: [...keys.info, "workers"],
    queryFn: () => dataOf(api.GET(`${OWN}/workers`)),
    refetchInterval: RENEWED_MS,
  });
  const said = texts.server.about;
  return (
    <>
      {workers.error && <ErrorNote error={workers.error} retry={() => void workers.refetch()} />}
      {workers.data && workers.data.length > 0 && (
        <Facts
          facts={workers.data.map(({ name, jobId, seen, lane }) => [
            name,
            [said.lanes[lane], jobId ? said.busy : said.idle, seen && said.worker(texts.common.date(seen))]
              .filter(Boolean)
              .join(", "),
          ])}
        />
      )}
      <Anchor component={Link} to="/activity" size="sm">
        {said.toActivity}
      </Anchor>
    </>
  );
}

function Limits({ limits }: { limits: Schemas["Info"]["limits"] }): React.JSX.Element {
  const said = texts.server.about;
  return (
    <Table withRowBorders={false} verticalSpacing={3} horizontalSpacing={0}>
      <Table.Tbody>
        {Object.entries(limits).map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th fw="normal" scope="row">
              <Text span size="sm" c="dimmed">
                {said.limit(name)}
              </Text>
            </Table.Th>
            <Table.Td ta="right">{texts.common.number(value)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
