import { Accordion, Anchor, Badge, Group, Loader, Stack, Text } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { PhotoCard } from "../photos/PhotoCard";
import { PhotoCards } from "../photos/PhotoCards";
import { Section } from "../Section";
import { useValidation } from "../useEvaluation";
import { type FindingGroup, grouped } from "./findings";

interface Props {
  project: string;
  iteration: string;
}

const COLOURS = { error: "red", warning: "orange", advice: "blue" };

/** What was found wrong with photos and tags before the training. */
export function FindingsSection({ project, iteration }: Props): React.JSX.Element {
  const said = texts.performance;
  const { data, error, isPending, refetch } = useValidation(project, iteration);
  const groups = data ? grouped(data.findings) : [];
  return (
    <Section
      title={said.validation}
      note={data ? said.validationNote(data.files, data.images) : undefined}
      aside={
        data && (
          <Anchor href={data.reportUri} target="_blank" rel="noreferrer" size="sm" title={said.reportHint}>
            {said.validationReport} <IconExternalLink size={14} aria-hidden style={{ verticalAlign: "-2px" }} />
          </Anchor>
        )
      }
    >
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {isPending && <Loader size="sm" role="status" aria-label={texts.common.loading} />}
      {data === null && <Text size="sm">{said.noValidation}</Text>}
      {data && groups.length === 0 && <Text size="sm">{said.noFindings}</Text>}
      {data && (
        <Accordion variant="separated" order={3}>
          {groups.map((group) => (
            <Accordion.Item key={`${group.severity} ${group.code}`} value={`${group.severity} ${group.code}`}>
              <Accordion.Control>
                <Group gap="xs">
                  <Badge color={COLOURS[group.severity]} variant="light" tt="none">
                    {said.severity[group.severity]}
                  </Badge>
                  <Text size="sm">{said.findingTitle(group.expected, group.images.length, group.tags.length)}</Text>
                </Group>
              </Accordion.Control>
              <Accordion.Panel>
                <GroupPanel project={project} group={group} />
              </Accordion.Panel>
            </Accordion.Item>
          ))}
          {data.excluded.length > 0 && (
            <Accordion.Item value="excluded">
              <Accordion.Control>
                <Text size="sm">{said.excluded(data.excluded.length)}</Text>
              </Accordion.Control>
              <Accordion.Panel>
                <PhotoCards
                  label={said.excluded(data.excluded.length)}
                  items={data.excluded}
                  card={({ name, imageId, thumbnailUri, code }) => (
                    <PhotoCard
                      key={name}
                      project={project}
                      photo={{ imageId, src: thumbnailUri, alt: said.openPhotoOf(code) }}
                    >
                      <Text size="xs">{said.codeText(code)}</Text>
                    </PhotoCard>
                  )}
                />
              </Accordion.Panel>
            </Accordion.Item>
          )}
        </Accordion>
      )}
    </Section>
  );
}

function GroupPanel({ project, group }: { project: string; group: FindingGroup }): React.JSX.Element {
  const said = texts.performance;
  const [first] = group.findings;
  const found = new Map(group.findings.flatMap((one) => one.images.map(({ name }) => [name, one.found] as const)));
  return (
    <Stack gap="xs">
      <Text size="sm">{first?.whatToDo}</Text>
      {group.images.length === 0 &&
        group.findings.map((one) => (
          <Text key={`${one.found} ${one.tags.join(" ")}`} size="sm">
            {said.findingOf(one.tags, one.found)}
          </Text>
        ))}
      {group.images.length > 0 && (
        <PhotoCards
          label={said.foundPhotos}
          items={group.images}
          card={({ name, imageId, thumbnailUri }) => (
            <PhotoCard
              key={name}
              project={project}
              photo={{ imageId, src: thumbnailUri, alt: said.openPhotoOf(found.get(name) ?? "") }}
            >
              <Text size="xs">{found.get(name)}</Text>
            </PhotoCard>
          )}
        />
      )}
    </Stack>
  );
}
